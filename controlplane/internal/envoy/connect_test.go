package envoy_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// connectCases show connections that are not requests, and gRPC.
func connectCases(t *testing.T) map[string]*ir.Gateway {
	t.Helper()
	return map[string]*ir.Gateway{
		"listener-tls": mixedPort(t),
		"route-grpc": withRoutes(
			&ir.Route{Name: "call", GRPC: true, Match: ir.Match{Path: "/a.Service/Method"}, Forward: forwardTo(clusterA(1), clusterB(1))},
			&ir.Route{Name: "invalid", GRPC: true, Match: prefix("/a.Service"), Forward: forwardTo(
				ir.WeightedCluster{Cluster: contract.InvalidCluster, Weight: 1})},
			&ir.Route{Name: "nothing", GRPC: true, Match: prefix("/"), Forward: forwardTo(clusterA(0))},
		),
	}
}

// mixedPort has one chain of each kind on one port.
func mixedPort(t *testing.T) *ir.Gateway {
	t.Helper()
	pair := clientPair(t)
	gw := withClusters(
		&ir.Cluster{StatName: "kube_default_a_443_passthrough", Endpoints: []ir.Endpoint{endpoint("10.0.0.1")}, Passthrough: true},
		&ir.Cluster{StatName: "kube_default_b_443_passthrough", Endpoints: []ir.Endpoint{endpoint("10.0.0.2")}, Passthrough: true},
		&ir.Cluster{StatName: "kube_default_c_80", Endpoints: []ir.Endpoint{endpoint("10.0.0.3")}},
	)
	gw.Secrets = []*ir.Secret{pair}
	to := func(name string, weight uint32) ir.WeightedCluster {
		return ir.WeightedCluster{Cluster: name + "~0123456789", Weight: weight}
	}
	terminated := &ir.DownstreamTLS{Certificates: []string{pair.Name}}
	gw.Listeners = []ir.Listener{{Name: "https-8443", Port: 8443, Chains: []ir.FilterChain{
		{Name: "passed", ServerNames: []string{"a.example"}, Forward: &ir.Connect{Name: "default/passed", Clusters: []ir.WeightedCluster{
			to("kube_default_a_443_passthrough", 2), to("kube_default_b_443_passthrough", 1),
			to("kube_default_b_443_passthrough", 0), {Cluster: contract.InvalidCluster, Weight: 1},
		}}},
		{Name: "ended", ServerNames: []string{"*.example"}, TLS: terminated, Forward: &ir.Connect{
			Name: "default/ended", Clusters: []ir.WeightedCluster{to("kube_default_c_80", 1)},
		}},
		{Name: "https", ServerNames: []string{"b.example"}, TLS: terminated, Routes: ir.RouteConfig{Name: "https-8443/b.example"}},
		{Name: "rest", Forward: &ir.Connect{Name: "default/rest", Clusters: []ir.WeightedCluster{to("kube_default_a_443_passthrough", 1)}}},
	}}}
	return gw
}

// TestBrokenChainsAreClosed breaks one chain of a port at a time. Its server
// name must not come to another chain, whose backend is not its own.
func TestBrokenChainsAreClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		chain   int
		damage  func(c *ir.FilterChain)
		message string
	}{
		"no certificate":       {1, func(c *ir.FilterChain) { c.TLS = &ir.DownstreamTLS{} }, "without a certificate"},
		"no certificate here":  {2, func(c *ir.FilterChain) { c.TLS = &ir.DownstreamTLS{} }, "without a certificate"},
		"unknown certificate":  {1, func(c *ir.FilterChain) { c.TLS = &ir.DownstreamTLS{Certificates: []string{"other"}} }, "not among"},
		"no weight":            {1, func(c *ir.FilterChain) { c.Forward.Clusters[0].Weight = 0 }, "has weight"},
		"weights":              {0, func(c *ir.FilterChain) { c.Forward.Clusters[0].Weight = math.MaxUint32 }, "more than Envoy counts"},
		"wrapped again":        {1, func(c *ir.FilterChain) { c.Forward.Clusters[0].Cluster = "kube_default_a_443_passthrough~0123456789" }, "passes TLS through"},
		"passed to plaintext":  {0, func(c *ir.FilterChain) { c.Forward.Clusters[0].Cluster = "kube_default_c_80~0123456789" }, "passes TLS through"},
		"passed without match": {3, func(c *ir.FilterChain) { c.Forward.Clusters[0].Weight = 0 }, "has weight"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := mixedPort(t)
			chain := &gw.Listeners[0].Chains[test.chain]
			test.damage(chain)
			r, err := envoy.Build(gw, envoy.Options{})
			problems := envoy.Problems(err)
			if len(problems) != 1 || problems[0].Name != chain.Name || !strings.Contains(problems[0].Error(), test.message) {
				t.Fatalf("problems: %v, want one of chain %s: %s", err, chain.Name, test.message)
			}
			chains := r.Listeners["https-8443"].GetFilterChains()
			if len(chains) != 4 {
				t.Fatalf("%d chains, want 4", len(chains))
			}
			closed := chains[test.chain]
			var proxy tcpproxyv3.TcpProxy
			if err := closed.GetFilters()[0].GetTypedConfig().UnmarshalTo(&proxy); err != nil {
				t.Fatal(err)
			}
			if proxy.GetCluster() != contract.InvalidCluster || closed.GetTransportSocket() != nil ||
				!slices.Equal(closed.GetFilterChainMatch().GetServerNames(), chain.ServerNames) {
				t.Errorf("the chain is not closed: %v", closed)
			}
		})
	}
}

// TestPassthroughIsNotWrapped refuses a cluster that would encrypt what is
// encrypted.
func TestPassthroughIsNotWrapped(t *testing.T) {
	t.Parallel()
	gw := mixedPort(t)
	gw.Clusters[0].TLS = &ir.UpstreamTLS{InsecureSkipVerify: true}
	r, err := envoy.Build(gw, envoy.Options{})
	if problems := envoy.Problems(err); len(problems) != 1 || problems[0].Kind != "cluster" || len(r.Clusters) != 2 {
		t.Errorf("problems %v, clusters %v", err, r.Clusters)
	}
}
