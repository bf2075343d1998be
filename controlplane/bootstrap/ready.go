package bootstrap

import (
	"cmp"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const readyName, readyPath = "tlsgw-ready", "/ready"

// readyListener answers probes from the moment when Envoy's workers start,
// which is when its first configuration is complete. It is a listener of its
// own because the admin interface is on loopback only.
func readyListener(o Options) (*listenerv3.Listener, error) {
	health, err := packed(&healthv3.HealthCheck{
		PassThroughMode: wrapperspb.Bool(false),
		Headers: []*routev3.HeaderMatcher{{
			Name: ":path",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: readyPath},
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
	manager, err := packed(&hcmv3.HttpConnectionManager{
		StatPrefix: readyName,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{
			RouteConfig: &routev3.RouteConfiguration{Name: readyName},
		},
		HttpFilters: []*hcmv3.HttpFilter{
			httpFilter("envoy.filters.http.health_check", health),
			httpFilter("envoy.filters.http.router", router),
		},
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

func httpFilter(name string, config *anypb.Any) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}}
}
