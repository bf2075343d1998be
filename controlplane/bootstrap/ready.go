package bootstrap

import (
	"cmp"
	"net/http"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Paths of the ready port. ReadyPath answers 200 when the proxy is to be sent
// requests, LivePath as long as it works at all.
const (
	ReadyPath = "/ready"
	LivePath  = "/live"

	readyName = "tlsgw-ready"
)

// readyListener answers probes from the moment when Envoy's workers start,
// which is when its first configuration is complete. It is a listener of its
// own because the admin interface is on loopback only.
func readyListener(o Options) (*listenerv3.Listener, error) {
	health, err := packed(&healthv3.HealthCheck{
		PassThroughMode: wrapperspb.Bool(false),
		Headers: []*routev3.HeaderMatcher{{
			Name: ":path",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: ReadyPath},
			}},
		}},
	})
	if err != nil {
		return nil, err
	}
	router, err := packed(&routerv3.Router{})
	if err != nil {
		return nil, err
	}
	filters := []*hcmv3.HttpFilter{httpFilter("envoy.filters.http.health_check", health)}
	routes := []*routev3.Route{answer(LivePath)}
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
