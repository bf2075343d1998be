package envoy

import (
	"cmp"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// buildEndpoints gives ready endpoints the first priority. Draining ones are
// used only while there is no other, as kube-proxy does it; Envoy's own health
// status DRAINING would share traffic with them once half of all are draining.
func buildEndpoints(c *ir.Cluster) *endpointv3.ClusterLoadAssignment {
	var ready, draining []ir.Endpoint
	for _, e := range c.Endpoints {
		if e.Draining {
			draining = append(draining, e)
		} else {
			ready = append(ready, e)
		}
	}
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: c.Name}
	var priority uint32
	for _, endpoints := range [][]ir.Endpoint{ready, draining} {
		if len(endpoints) == 0 {
			continue
		}
		for _, zone := range byZone(c, endpoints) {
			zone.Priority = priority
			assignment.Endpoints = append(assignment.Endpoints, zone)
		}
		priority++
	}
	return assignment
}

// byZone puts endpoints into localities, where a policy asks for their zones:
// each weighs as much as it has endpoints.
func byZone(c *ir.Cluster, endpoints []ir.Endpoint) []*endpointv3.LocalityLbEndpoints {
	balancer := balancerOf(c)
	if !balancer.LocalityWeights && balancer.ZoneAware == nil {
		return []*endpointv3.LocalityLbEndpoints{{LbEndpoints: lbEndpoints(c, endpoints)}}
	}
	zones := map[string][]ir.Endpoint{}
	for _, e := range endpoints {
		zones[e.Zone] = append(zones[e.Zone], e)
	}
	var out []*endpointv3.LocalityLbEndpoints
	for zone, members := range zones {
		locality := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Zone: zone}, LbEndpoints: lbEndpoints(c, members)}
		if balancer.LocalityWeights {
			locality.LoadBalancingWeight = wrapperspb.UInt32(uint32(len(members))) //nolint:gosec // It is a number of endpoints.
		}
		out = append(out, locality)
	}
	slices.SortFunc(out, func(a, b *endpointv3.LocalityLbEndpoints) int {
		return cmp.Compare(a.GetLocality().GetZone(), b.GetLocality().GetZone())
	})
	return out
}

func balancerOf(c *ir.Cluster) *ir.LoadBalancer {
	if c.Connection == nil || c.Connection.LoadBalancer == nil {
		return &ir.LoadBalancer{}
	}
	return c.Connection.LoadBalancer
}

func lbEndpoints(c *ir.Cluster, endpoints []ir.Endpoint) []*endpointv3.LbEndpoint {
	out := make([]*endpointv3.LbEndpoint, len(endpoints))
	for i, e := range endpoints {
		out[i] = buildEndpoint(c, e)
	}
	return out
}

func buildEndpoint(c *ir.Cluster, e ir.Endpoint) *endpointv3.LbEndpoint {
	endpoint := &endpointv3.Endpoint{Address: socketAddress(e.Host, e.Port)}
	if c.Discovery == ir.DiscoverDNS {
		// The name that auto_host_sni sends.
		endpoint.Hostname = e.Host
	}
	if probesByOwnHost(c) {
		endpoint.HealthCheckConfig = &endpointv3.Endpoint_HealthCheckConfig{Hostname: hostHeader(e.Host)}
	}
	return &endpointv3.LbEndpoint{
		HealthStatus:   corev3.HealthStatus_HEALTHY,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint},
	}
}
