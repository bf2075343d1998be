package status

import (
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// listeners adds Programmed to those of a Gateway or ListenerSet; g is what the
// Gateway's proxies run.
func listeners(all []ir.ListenerStatus, g *ir.Gateway, live Live) []ir.ListenerStatus {
	completed := slices.Clone(all)
	for i, l := range all {
		onListener := live
		onListener.Rejections = rejectionsOf(g, live.Rejections, l.Chains)
		programmed := programmedOf(onListener)
		if no, found := closed(l); found {
			programmed = no
		}
		completed[i].Conditions = append(slices.Clone(l.Conditions), programmed)
	}
	return completed
}

// closed is the Programmed condition of a listener that the proxies do not have.
// One of which only some references are not good serves with the others.
func closed(l ir.ListenerStatus) (ir.Condition, bool) {
	if !l.Closed {
		return refusal(l.Conditions, conditionAccepted)
	}
	no, found := refusal(l.Conditions, conditionAccepted, conditionResolvedRefs)
	if !found {
		no = ir.Condition{Type: conditionProgrammed, Status: ir.False, Reason: reasonInvalid, Message: "the Gateway is not accepted"}
	}
	return no, true
}

// allClosed is the Programmed condition of a Gateway that opens no port.
func allClosed(all []ir.ListenerStatus) (ir.Condition, bool) {
	var first ir.Condition
	for i, l := range all {
		no, found := closed(l)
		if !found {
			return ir.Condition{}, false
		}
		if i == 0 {
			first = no
			first.Message = bounded("no listener is open; of " + l.Name + ", " + no.Message)
		}
	}
	return first, len(all) > 0
}

// rejectionsOf are the rejections that keep a listener, which the named chains
// of g serve, from being what it should be. What Envoy does not name may be
// about any; a cluster, or what only clusters use, leaves all as they are.
func rejectionsOf(g *ir.Gateway, rejections []Rejection, chains []string) []Rejection {
	return slices.DeleteFunc(slices.Clone(rejections), func(r Rejection) bool {
		if r.Part == PartCluster || r.Part == PartRoute {
			return true
		}
		if g == nil || r.Part == PartUnknown || r.Name == "" {
			return false
		}
		hit := chainsOf(g, r)
		if len(hit) == 0 {
			return r.Part == PartSecret
		}
		return !slices.ContainsFunc(chains, func(chain string) bool { return slices.Contains(hit, chain) })
	})
}

// chainsOf are the names of the chains that a rejection of a listener, a route
// configuration or a secret, or of a part of these, is about.
func chainsOf(g *ir.Gateway, r Rejection) []string {
	var names []string
	for i := range g.Listeners {
		l := &g.Listeners[i]
		for j := range l.Chains {
			chain := &l.Chains[j]
			hit := false
			switch r.Part {
			case PartListener:
				hit = l.Name == r.Name || chain.Name == r.Name
			case PartRouteConfig:
				hit = chain.Routes.Name == r.Name || slices.ContainsFunc(chain.Routes.VirtualHosts, func(h ir.VirtualHost) bool { return h.Name == r.Name })
			case PartSecret:
				hit = usesSecret(chain.TLS, r.Name)
			case PartUnknown, PartCluster, PartRoute:
			}
			if hit {
				names = append(names, chain.Name)
			}
		}
	}
	return names
}

func usesSecret(tls *ir.DownstreamTLS, secret string) bool {
	if tls == nil {
		return false
	}
	return slices.Contains(tls.Certificates, secret) || tls.Clients != nil && tls.Clients.TrustBundle == secret
}
