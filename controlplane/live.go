package controlplane

import (
	"fmt"
	"strings"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
)

// answers gather what the proxies of each Gateway say at each replica. This one
// tells the others what its own say.
func (p *pipeline) answers() map[ir.Name][]replica.Gateway {
	answers := make(map[ir.Name][]replica.Gateway, len(p.gateways))
	report := replica.Report{}
	for name, given := range p.gateways {
		state := p.proxies.State(name)
		own := replica.Gateway{
			Namespace: name.Namespace, Name: name.Name, UID: given.uid, Generation: given.gateway.Generation,
			Connected: state.Connected,
			Answered:  state.Connected > 0 && state.AckedRevision >= given.revision,

			ListenerSets: given.gateway.ListenerSets,
			SetsAnswered: state.Connected > 0 && state.AckedRevision >= given.setsRevision,
		}
		for _, r := range state.Rejections {
			own.Rejections = append(own.Rejections, replica.Rejection(r))
		}
		answers[name] = append(answers[name], own)
		if own.Connected > 0 {
			report.Gateways = append(report.Gateways, own)
		}
	}
	if p.replicas == nil {
		return answers
	}
	p.replicas.Set(report)
	for _, peer := range p.replicas.Peers() {
		for _, g := range peer.Gateways {
			answers[g.Key()] = append(answers[g.Key()], g)
		}
	}
	return answers
}

// live is what is known of the proxies of g.
func (p *pipeline) live(g *ir.Gateway, answers []replica.Gateway) status.Live {
	now := p.options.Clock.Now()
	known := p.together[g.Name]
	if known == nil {
		known = &together{}
		p.together[g.Name] = known
	}
	known.take(p.uids[g.Name], g.Generation, answers, now, p.grace)
	known.takeSets(g.ListenerSets, answers)
	live := status.Live{
		Connected:    known.connected,
		Acknowledged: known.answered,

		SetsAcknowledged: known.setsAnswered,
		Settling:         now.Sub(p.started) < p.settle || known.returning(now, p.grace) > 0,
	}
	if p.deployer != nil {
		live.Undeployed = p.deployer.Problem(g.Name)
	}
	given := p.gateways[g.Name]
	if given != nil {
		live.Rejections = leftOut(given.problems)
	}
	// The barrier takes milliseconds: only when it takes long, or keeps the
	// spec from the proxies, is that worth a word.
	edges := p.held[g.Name]
	long := now.Sub(p.heldSince[g.Name]) >= askAgain
	if len(edges) > 0 && (long || given == nil || given.gateway.Generation != g.Generation) {
		live.Held = fmt.Sprintf("waiting for the API server to confirm that no TLS policy targets %s", strings.Join(edges, ", "))
	}
	live.Rejections = append(live.Rejections, rejections(known.standing)...)
	return live
}

// rejections are Envoy's.
func rejections(nacks []replica.Rejection) []status.Rejection {
	var all []status.Rejection
	for _, nack := range nacks {
		r := status.Rejection{Part: partOf(nack.TypeURL), Message: status.Rejected + nack.Message}
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
