package translate

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// TestEnvoyAcceptsTheRoutes has a real Envoy validate the routes of every case,
// which are what users write most freely.
func TestEnvoyAcceptsTheRoutes(t *testing.T) {
	t.Parallel()
	config := &bootstrapv3.Bootstrap{StaticResources: &bootstrapv3.Bootstrap_StaticResources{}}
	all := cases(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		result := Translate(newSnapshot(t, decodeAll(t, all[name])), testOptions())
		for _, g := range result.Gateways {
			resources, err := envoy.Build(g, envoy.Options{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, routes := range resources.Routes {
				config.StaticResources.Listeners = append(config.StaticResources.Listeners,
					routesListener(t, fmt.Sprintf("%s %s %s", name, g.Name, routes.GetName()), routes))
			}
		}
	}
	encoded, err := protojson.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := envoytest.WriteFile(t, "bootstrap.json", encoded)
	check := exec.CommandContext(t.Context(), envoytest.Binary(t), "--mode", "validate", "--log-level", "error", "--config-path", path)
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("Envoy refuses routes: %v\n%s", err, output)
	}
}

// routesListener serves routes as they are, without a control plane.
func routesListener(t *testing.T, name string, routes *routev3.RouteConfiguration) *listenerv3.Listener {
	t.Helper()
	routes = proto.CloneOf(routes)
	routes.ValidateClusters = wrapperspb.Bool(false) // As it is by RDS.
	filter := func(name string, config proto.Message) *hcmv3.HttpFilter {
		return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(t, config)}}
	}
	manager := pack(t, &hcmv3.HttpConnectionManager{
		StatPrefix:     "test",
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes},
		HttpFilters: []*hcmv3.HttpFilter{
			filter("envoy.filters.http.cors", &corsv3.Cors{}),
			filter("envoy.filters.http.router", &routerv3.Router{}),
		},
	})
	return &listenerv3.Listener{
		Name: name,
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{},
		}}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
}

func pack(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}
