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

// lookedAt matches, as a whole, the paths that only show something. Envoy takes
// the query for a part of the path.
const lookedAt = `/(certs|clusters|config_dump|help|init_dump|listeners|memory|ready|server_info|stats|stats/prometheus)?(\?.*)?`

// admin is the admin interface: on loopback, and with no more than what a
// person looks at and `kubectl tlsgw verify` reads. What changes the proxy is
// not there, but for what draining needs: a backend whose name resolves to
// loopback can be this very interface.
func admin(o Options) *bootstrapv3.Admin {
	allowed := []*matcherv3.StringMatcher{{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: lookedAt},
	}}}
	if o.Drain != nil {
		allowed = append(allowed, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: failPath}})
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
