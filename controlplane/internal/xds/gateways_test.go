package xds_test

import (
	"fmt"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	sni       = "backend.example"
	trustName = "trust/default/configmap/ca"
	statName  = "kube_default_nginx_8443"
)

// gateway is a Gateway with one HTTP listener and one virtual host.
type gateway struct {
	port     uint16
	clusters []*ir.Cluster
	secrets  []*ir.Secret
	routes   []*ir.Route
}

func (g gateway) ir() *ir.Gateway {
	return &ir.Gateway{
		Name:     gatewayName(),
		Clusters: g.clusters,
		Secrets:  g.secrets,
		Listeners: []ir.Listener{{
			Name: fmt.Sprintf("http-%d", g.port),
			Port: g.port,
			Chains: []ir.FilterChain{{
				Name: "http",
				Routes: ir.RouteConfig{
					Name:         fmt.Sprintf("http-%d", g.port),
					VirtualHosts: []ir.VirtualHost{{Name: "all", Domain: "*", Routes: g.routes}},
				},
			}},
		}},
	}
}

func edsCluster(stat string, port uint16, tls *ir.UpstreamTLS) *ir.Cluster {
	c := &ir.Cluster{
		StatName:  stat,
		Discovery: ir.DiscoverEDS,
		Endpoints: []ir.Endpoint{{Host: "127.0.0.1", Port: port}},
		TLS:       tls,
	}
	c.SetName()
	return c
}

func verified() *ir.UpstreamTLS {
	return &ir.UpstreamTLS{SNI: sni, SANs: []ir.SAN{{Value: sni}}, TrustBundle: trustName}
}

func trust(ca *envoytest.CA) *ir.Secret {
	return &ir.Secret{Name: trustName, Kind: ir.SecretTrustBundle, Certificates: ca.PEM}
}

func forward(prefix string, clusters ...string) *ir.Route {
	route := &ir.Route{Name: "route " + prefix, Match: ir.Match{PathType: ir.Prefix, Path: prefix}, Forward: &ir.Forward{}}
	for _, name := range clusters {
		route.Forward.Clusters = append(route.Forward.Clusters, ir.WeightedCluster{Cluster: name, Weight: 1})
	}
	return route
}

// to is a Gateway that sends everything to one cluster.
func to(port uint16, c *ir.Cluster, secrets ...*ir.Secret) gateway {
	return gateway{port: port, clusters: []*ir.Cluster{c}, secrets: secrets, routes: []*ir.Route{forward("/", c.Name)}}
}
