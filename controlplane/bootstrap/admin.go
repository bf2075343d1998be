package bootstrap

import (
	"cmp"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// admin is the admin interface: on loopback, and with no more than what a
// person looks at, `kubectl tlsgw verify` reads, and draining needs. What ends
// or cripples the proxy is not there.
func admin(o Options) *bootstrapv3.Admin {
	allowed := []*matcherv3.StringMatcher{{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "/"}}}
	for _, prefix := range []string{
		"/certs", "/clusters", "/config_dump", "/drain_listeners", "/healthcheck/", "/help", "/init_dump",
		"/listeners", "/logging", "/memory", "/ready", "/server_info", "/stats",
	} {
		allowed = append(allowed, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}})
	}
	return &bootstrapv3.Admin{
		Address:    address(loopback, cmp.Or(o.AdminPort, contract.AdminPort)),
		AllowPaths: allowed,
	}
}

// adminCluster is the admin interface as Envoy's own client reaches it.
func adminCluster(o Options) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 adminName,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: adminName,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: address(loopback, cmp.Or(o.AdminPort, contract.AdminPort)),
				}},
			}}}},
		},
	}
}
