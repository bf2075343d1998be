package controlplane

import (
	"fmt"
	"strings"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// live is what is known of the proxies of g.
func (p *pipeline) live(g *ir.Gateway) status.Live {
	state := p.proxies.State(g.Name)
	live := status.Live{
		Connected: state.Connected,
		Settling:  p.options.Clock.Since(p.started) < settling,
	}
	given := p.gateways[g.Name]
	if given != nil {
		// An acknowledgement holds while any proxy is connected: one that
		// joins later must not make a Gateway that works look as if it did not.
		given.acknowledged = state.Connected > 0 && (given.acknowledged || state.AckedRevision >= given.revision)
		live.Acknowledged = given.acknowledged && given.gateway.Generation == g.Generation
		live.Rejections = leftOut(given.problems)
	}
	// The barrier takes milliseconds: only when it takes long, or keeps the
	// spec from the proxies, is that worth a word.
	edges := p.held[g.Name]
	long := p.options.Clock.Since(p.heldSince[g.Name]) >= askAgain
	if len(edges) > 0 && (long || given == nil || given.gateway.Generation != g.Generation) {
		live.Held = fmt.Sprintf("waiting for the API server to confirm that no TLS policy targets %s", strings.Join(edges, ", "))
	}
	live.Rejections = append(live.Rejections, rejections(state.Rejections)...)
	return live
}

// rejections are Envoy's.
func rejections(nacks []xds.Rejection) []status.Rejection {
	var all []status.Rejection
	for _, nack := range nacks {
		r := status.Rejection{Part: partOf(nack.TypeURL), Message: "Envoy rejected: " + nack.Message}
		if len(nack.Resources) == 0 {
			all = append(all, r)
		}
		for _, name := range nack.Resources {
			r.Name = name
			all = append(all, r)
		}
	}
	return all
}

func partOf(typeURL string) status.Part {
	switch typeURL {
	case resourcev3.ClusterType, resourcev3.EndpointType:
		return status.PartCluster
	case resourcev3.SecretType:
		return status.PartSecret
	case resourcev3.ListenerType:
		return status.PartListener
	case resourcev3.RouteType:
		return status.PartRouteConfig
	}
	return status.PartUnknown
}

// leftOut are the parts that Envoy was not even sent.
func leftOut(problems []*envoy.ResourceError) []status.Rejection {
	parts := map[string]status.Part{
		"cluster": status.PartCluster, "secret": status.PartSecret,
		"listener": status.PartListener, "filter chain": status.PartListener,
		"virtual host": status.PartRouteConfig, "route": status.PartRoute,
	}
	var all []status.Rejection
	for _, problem := range problems {
		all = append(all, status.Rejection{
			Part: parts[problem.Kind], Name: problem.Name, Message: "Envoy would reject: " + problem.Err.Error(),
		})
	}
	return all
}
