package bootstrap

import (
	"cmp"
	"net/http"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// ReadyPath of the ready port answers 200 as long as the proxy works. It does so
// too while it drains: where no other proxy is ready, Kubernetes goes on to send
// requests to those that end and still say that they serve.
const ReadyPath = "/ready"

const readyName = "tlsgw-ready"

// readyListener answers probes from the moment when Envoy's workers start,
// which is when its first configuration is complete. It is a listener of its
// own because the admin interface is on loopback only.
func readyListener(o Options) (*listenerv3.Listener, error) {
	router, err := packed(&routerv3.Router{})
	if err != nil {
		return nil, err
	}
	var filters []*hcmv3.HttpFilter
	routes := []*routev3.Route{answer(ReadyPath)}
	if o.Drain != nil {
		drain, err := o.Drain.filters()
		if err != nil {
			return nil, err
		}
		route, err := o.Drain.route()
		if err != nil {
			return nil, err
		}
		filters, routes = append(filters, drain...), append(routes, route)
	}
	manager, err := packed(&hcmv3.HttpConnectionManager{
		StatPrefix: readyName,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{
			RouteConfig: &routev3.RouteConfiguration{
				Name:         readyName,
				VirtualHosts: []*routev3.VirtualHost{{Name: readyName, Domains: []string{"*"}, Routes: routes}},
			},
		},
		HttpFilters: append(filters, httpFilter("envoy.filters.http.router", router)),
	})
	if err != nil {
		return nil, err
	}
	return &listenerv3.Listener{
		Name:                  readyName,
		Address:               address(cmp.Or(o.ReadyAddress, "0.0.0.0"), o.ReadyPort),
		IgnoreGlobalConnLimit: true,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}, nil
}

// answer is a route that answers 200 by itself.
func answer(path string) *routev3.Route {
	return &routev3.Route{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: http.StatusOK,
		}},
	}
}

func httpFilter(name string, config *anypb.Any) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}}
}
