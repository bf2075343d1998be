package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gateway is a Gateway of this controller.
type gateway struct {
	object *gatewayv1.Gateway
	name   ir.Name
	// listeners are its own, which are the first, and those of the ListenerSets
	// that it allows.
	listeners []*listener
	// sets are all that name it, by precedence.
	sets []*listenerSet
	// refused is why the Gateway as a whole serves nothing, parameters why its
	// proxies stay deployed as they are.
	refused, parameters *problem
	deployment          *ir.Deployment
	// presents is what backends are shown; nil where that is nothing.
	presents *clientCertificate
}

// ref names the Gateway.
func (g *gateway) ref() ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: kindGateway, Name: g.name}
}

// own are the listeners of the Gateway itself.
func (g *gateway) own() []*listener { return g.listeners[:len(g.object.Spec.Listeners)] }

// problem is why the Gateway is not accepted, whatever its listeners are.
func (g *gateway) problem() *problem { return cmp.Or(g.refused, g.parameters) }

// attachedSets counts ListenerSets. It is nil where there can be none: the API
// server may not know the field.
func (g *gateway) attachedSets() *int32 {
	if g.object.Spec.AllowedListeners == nil {
		return nil
	}
	count := int32(0)
	for _, set := range g.sets {
		if set.isAttached() {
			count++
		}
	}
	return &count
}

// reached are the backends to which routes of the Gateway lead, each with what
// leads there.
func (g *gateway) reached() map[*backend][]ir.Ref {
	reached := map[*backend][]ir.Ref{}
	for _, l := range g.listeners {
		if g.refused != nil || !l.serves() {
			continue
		}
		for _, a := range l.attached {
			for _, b := range a.route.backendsOn(l) {
				reached[b] = append(reached[b], a.route.ref)
				if l.set != nil {
					reached[b] = append(reached[b], l.set.ref())
				}
			}
		}
	}
	return reached
}

// newGateway checks a Gateway and its listeners; routes come later.
func (t *translation) newGateway(object *gatewayv1.Gateway) *gateway {
	g := &gateway{object: object, name: nameOf(object), refused: t.checkAddresses(object)}
	t.setDeployment(g)
	g.presents = t.clientCertificateOf(g)
	for i := range object.Spec.Listeners {
		g.listeners = append(g.listeners, t.newListener(g, g.ref(), &object.Spec.Listeners[i]))
	}
	g.setConflicts()
	return g
}

// setConflicts marks listeners that cannot be told apart: see portConflict. As
// the API demands, none of them wins.
func (g *gateway) setConflicts() {
	for _, l := range g.listeners {
		if l.refused != nil {
			continue
		}
		for _, other := range g.listeners {
			if other == l || other.refused != nil || other.port != l.port {
				continue
			}
			if p := portConflict(l, other); p != nil {
				l.conflict = p
			} else if l.usesTLS() && (covers(l.domain, other.domain) || covers(other.domain, l.domain)) {
				l.overlaps = true
			}
		}
	}
}

// configuration is what the Gateway's proxies run.
func (g *gateway) configuration() *ir.Gateway {
	result := &ir.Gateway{Name: g.name, Generation: g.object.Generation, ListenerSets: g.setsDigest()}
	if g.refused != nil {
		return result
	}
	ports := map[uint16][]*listener{}
	for _, l := range g.listeners {
		if l.accepted() {
			ports[l.port] = append(ports[l.port], l)
		}
	}
	secrets := map[string]*ir.Secret{}
	for port, all := range ports {
		chains := chains(port, all)
		if len(chains) == 0 {
			continue
		}
		result.Listeners = append(result.Listeners, ir.Listener{Name: listenerName(port, all[0].usesTLS()), Port: port, Chains: chains})
		for _, l := range all {
			addSecrets(secrets, l.certificates)
			if l.frontend != nil {
				addSecrets(secrets, []*ir.Secret{l.frontend.trust})
			}
		}
	}
	slices.SortFunc(result.Listeners, func(a, b ir.Listener) int { return cmp.Compare(a.Port, b.Port) })
	for b := range g.reached() {
		if b.cluster == nil {
			continue
		}
		cluster := g.presents.reach(b.cluster)
		if cluster == nil {
			continue
		}
		result.Clusters = append(result.Clusters, cluster)
		addSecrets(secrets, b.secrets)
		if cluster != b.cluster {
			addSecrets(secrets, []*ir.Secret{g.presents.secret})
		}
	}
	slices.SortFunc(result.Clusters, func(a, b *ir.Cluster) int { return cmp.Compare(a.Name, b.Name) })
	// Two ways to reach a backend can come to the same.
	result.Clusters = slices.CompactFunc(result.Clusters, func(a, b *ir.Cluster) bool { return a.Name == b.Name })
	for _, secret := range secrets {
		result.Secrets = append(result.Secrets, secret)
	}
	slices.SortFunc(result.Secrets, func(a, b *ir.Secret) int { return cmp.Compare(a.Name, b.Name) })
	return result
}

func addSecrets(to map[string]*ir.Secret, secrets []*ir.Secret) {
	for _, secret := range secrets {
		to[secret.Name] = secret
	}
}

// listenerName is the same for HTTPS and TLS, which can share a port: one
// more listener on it must not make another of it.
func listenerName(port uint16, tls bool) string {
	if tls {
		return fmt.Sprintf("https-%d", port)
	}
	return fmt.Sprintf("http-%d", port)
}

// chains are the filter chains of one port: one for all HTTP listeners, or one
// for the server name of each HTTPS listener and each hostname of the routes
// of TLS listeners. Their names hold the hostname and not the listener's name,
// so that renaming a listener breaks nothing.
func chains(port uint16, all []*listener) []ir.FilterChain {
	if !all[0].usesTLS() {
		name := listenerName(port, false)
		for _, l := range all {
			l.chains = []string{name}
		}
		return []ir.FilterChain{{Name: name, Routes: ir.RouteConfig{Name: name, VirtualHosts: virtualHosts(all, all)}}}
	}
	var chains []ir.FilterChain
	for _, l := range all {
		if !l.serves() {
			continue
		}
		if l.isTLS() {
			own := connectChains(port, l, all)
			for i := range own {
				l.chains = append(l.chains, own[i].Name)
			}
			slices.Sort(l.chains)
			chains = append(chains, own...)
			continue
		}
		name := listenerName(port, true) + "/" + l.domain
		l.chains = []string{name}
		chain := ir.FilterChain{
			Name:   name,
			TLS:    &ir.DownstreamTLS{ALPN: []string{"h2", "http/1.1"}, Clients: l.frontend.clients()},
			Routes: ir.RouteConfig{Name: name, VirtualHosts: virtualHosts([]*listener{l}, all)},
		}
		if l.domain != anyHost {
			chain.ServerNames = []string{l.domain}
		}
		chain.TLS.Certificates = secretNames(l.certificates)
		chains = append(chains, chain)
	}
	chains = append(chains, closedChains(port, all, chains)...)
	slices.SortFunc(chains, func(a, b ir.FilterChain) int { return cmp.Compare(a.Name, b.Name) })
	return chains
}

// status is the Gateway's status but for Programmed and addresses, which
// depend on what Envoy acknowledged and where it runs. unlisted are policies
// whose status has no room for the Gateway.
func (g *gateway) status(unlisted []ir.Ref) ir.ObjectStatus {
	status := ir.ObjectStatus{
		Ref:                  g.ref(),
		Generation:           g.object.Generation,
		AttachedListenerSets: g.attachedSets(),
		Conditions:           []ir.Condition{g.accepted(unlisted)},
	}
	for _, l := range g.own() {
		status.Listeners = append(status.Listeners, l.status())
	}
	if letsAnybodyIn(g.object) {
		status.Conditions = append(status.Conditions, ir.Condition{
			Type: string(gatewayv1.GatewayConditionInsecureFrontendValidationMode), Status: ir.True,
			Reason:  string(gatewayv1.GatewayReasonConfigurationChanged),
			Message: "spec.tls.frontend has mode AllowInsecureFallback: clients without a valid certificate are let in",
		})
	}
	status.Conditions = append(status.Conditions,
		g.unresolved().condition(string(gatewayv1.GatewayConditionResolvedRefs), reasonResolvedRefs, "all references resolve"))
	return status
}

// accepted is the condition of that name.
func (g *gateway) accepted(unlisted []ir.Ref) ir.Condition {
	var bad []string
	valid := 0
	for _, l := range g.own() {
		if l.accepted() {
			valid++
		}
		if !l.accepted() || l.unresolved != nil {
			bad = append(bad, string(l.spec.Name))
		}
	}
	no := g.problem()
	accepted := no.condition(conditionAccepted, reasonAccepted, "the Gateway is valid")
	if no == nil && len(bad) > 0 {
		accepted.Reason = string(gatewayv1.GatewayReasonListenersNotValid)
		accepted.Message = listenersNotValid(bad)
	}
	if no == nil && valid == 0 {
		accepted.Status = ir.False
		accepted.Reason = string(gatewayv1.GatewayReasonListenersNotValid)
	}
	if len(unlisted) > 0 {
		names := make([]string, 0, len(unlisted))
		for _, policy := range unlisted {
			names = append(names, describe(policy))
		}
		slices.Sort(names)
		accepted.Message = bounded(accepted.Message + "; in effect here, though their statuses have no room to say so: " + strings.Join(names, ", "))
	}
	return accepted
}

// unresolved is what does not resolve of the Gateway's own references, or else
// of its listeners'.
func (g *gateway) unresolved() *problem {
	if g.presents != nil && g.presents.problem != nil {
		return g.presents.problem
	}
	var bad []string
	for _, l := range g.own() {
		if l.unresolved != nil {
			bad = append(bad, string(l.spec.Name))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return problemf(string(gatewayv1.GatewayReasonListenersNotResolved), "listeners with references that do not resolve: %s", strings.Join(bad, ", "))
}
