package envoy

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// buildEndpoints gives ready endpoints the first priority. Draining ones are
// used only while there is no other, as kube-proxy does it; Envoy's own health
// status DRAINING would share traffic with them once half of all are draining.
func buildEndpoints(c *ir.Cluster) *endpointv3.ClusterLoadAssignment {
	var ready, draining []*endpointv3.LbEndpoint
	for _, e := range c.Endpoints {
		if e.Draining {
			draining = append(draining, buildEndpoint(c, e))
		} else {
			ready = append(ready, buildEndpoint(c, e))
		}
	}
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: c.Name}
	var priority uint32
	for _, endpoints := range [][]*endpointv3.LbEndpoint{ready, draining} {
		if len(endpoints) == 0 {
			continue
		}
		assignment.Endpoints = append(assignment.Endpoints, &endpointv3.LocalityLbEndpoints{
			Priority:    priority,
			LbEndpoints: endpoints,
		})
		priority++
	}
	return assignment
}

func buildEndpoint(c *ir.Cluster, e ir.Endpoint) *endpointv3.LbEndpoint {
	endpoint := &endpointv3.Endpoint{Address: socketAddress(e.Host, e.Port)}
	if c.Discovery == ir.DiscoverDNS {
		// The name that auto_host_sni sends.
		endpoint.Hostname = e.Host
	}
	return &endpointv3.LbEndpoint{
		HealthStatus:   corev3.HealthStatus_HEALTHY,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint},
	}
}
