package translate

import (
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// route is a route of any kind, translated whatever its parents are.
type route struct {
	ref     ir.Ref
	created time.Time
	// hostnames are as they are written.
	hostnames []gatewayv1.Hostname
	// entries of a route of requests are in no order yet.
	entries []*entry
	// redirects tells whether any of the entries is a redirect.
	redirects bool
	// connect is what a TLSRoute comes to.
	connect *ir.Connect
	// backends are those that the route reaches or would reach.
	backends []*backend
	// invalid is set where no rule is valid, partial where some are not.
	invalid, partial *problem
	unresolved       *problem
}

// routeRef names a route.
func routeRef(kind string, object client.Object) ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: kind, Name: nameOf(object)}
}

// entriesFor are the route's entries for a listener, whose port and protocol
// redirects depend on.
func (r *route) entriesFor(l *listener) []*entry {
	if !r.redirects {
		return r.entries
	}
	entries := make([]*entry, len(r.entries))
	for i, e := range r.entries {
		entries[i] = e
		if e.route.Redirect == nil {
			continue
		}
		copied, route, redirect := *e, *e.route, *e.route.Redirect
		redirect.Port = redirectPort(&redirect, l.port)
		route.Redirect = &redirect
		copied.route = &route
		entries[i] = &copied
	}
	return entries
}

// asked are the domains that the route asks for.
func (r *route) asked() []string {
	if len(r.hostnames) == 0 {
		return []string{anyHost}
	}
	domains := make([]string, 0, len(r.hostnames))
	for i := range r.hostnames {
		if d := domain(&r.hostnames[i]); validDomain(d) {
			domains = append(domains, d)
		}
	}
	return domains
}

// domainsOn are the domains that the route serves on a listener.
func (r *route) domainsOn(l *listener) []string {
	var domains []string
	for _, d := range r.asked() {
		if shared, ok := intersect(d, l.domain); ok && !slices.Contains(domains, shared) {
			domains = append(domains, shared)
		}
	}
	return domains
}

// attach binds the route to the listeners of one parentRef, and says what
// became of it.
func (r *route) attach(p *parent, ref *gatewayv1.ParentReference) *problem {
	var named, allowed []*listener
	for _, l := range p.listeners {
		if ref.SectionName != nil && *ref.SectionName != "" && *ref.SectionName != l.spec.Name ||
			ref.Port != nil && *ref.Port != l.spec.Port {
			continue
		}
		named = append(named, l)
		if l.allows(r.ref) {
			allowed = append(allowed, l)
		}
	}
	if len(named) == 0 {
		return problemf(string(gatewayv1.RouteReasonNoMatchingParent), "%s has no listener of this sectionName and port", p)
	}
	if len(allowed) == 0 {
		return problemf(string(gatewayv1.RouteReasonNotAllowedByListeners),
			"no listener of %s allows %s of namespace %s", p, r.ref.Kind, r.ref.Namespace)
	}
	if r.invalid != nil {
		return r.invalid
	}
	matched := false
	for _, l := range allowed {
		if domains := r.domainsOn(l); len(domains) > 0 {
			matched = true
			l.attach(r, domains)
		}
	}
	if !matched {
		return problemf(string(gatewayv1.RouteReasonNoMatchingListenerHostname),
			"no listener of %s has a hostname that spec.hostnames intersect", p)
	}
	return nil
}

// attachRoute attaches a route of any kind to all its parents that are ours,
// and makes its status. A route that has none is left alone, and not even
// translated, unless an old status of ours must go.
func (t *translation) attachRoute(
	kind string, object client.Object, parents []gatewayv1.ParentReference, old []gatewayv1.RouteParentStatus, translated func() *route,
) (ir.ObjectStatus, bool) {
	status := ir.ObjectStatus{Ref: routeRef(kind, object), Generation: object.GetGeneration()}
	var r *route
	for i := range parents {
		ref := &parents[i]
		p := t.parent(object.GetNamespace(), ref)
		if p == nil {
			continue
		}
		if r == nil {
			r = translated()
		}
		rejected := r.attach(p, ref)
		if rejected == nil {
			for _, b := range r.backends {
				t.uses.add(b.target, b.portName, p.gateway.name)
			}
		}
		status.Parents = append(status.Parents, ir.ParentStatus{
			Parent:     parentRef(ref),
			Conditions: r.conditions(rejected),
		})
	}
	stale := slices.ContainsFunc(old, func(p gatewayv1.RouteParentStatus) bool {
		return string(p.ControllerName) == t.options.ControllerName
	})
	return status, r != nil || stale
}

// parent is what a parentRef of a route names.
type parent struct {
	gateway   *gateway
	listeners []*listener
}

// String names it in messages.
func (p *parent) String() string { return "Gateway " + p.gateway.name.String() }

// parent finds what a parentRef names, nil where it is not ours.
func (t *translation) parent(namespace string, ref *gatewayv1.ParentReference) *parent {
	if deref(ref.Group, gatewayv1.GroupName) != gatewayv1.GroupName || deref(ref.Kind, kindGateway) != kindGateway {
		return nil
	}
	g := t.gateways[ir.Name{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(namespace))), Name: string(ref.Name)}]
	if g == nil {
		return nil
	}
	return &parent{gateway: g, listeners: g.listeners}
}

func (r *route) conditions(rejected *problem) []ir.Condition {
	conditions := []ir.Condition{
		rejected.condition(conditionAccepted, reasonAccepted, "the route is attached"),
		r.unresolved.condition(conditionResolvedRefs, reasonResolvedRefs, "all references resolve"),
	}
	if rejected == nil && r.partial != nil {
		conditions = append(conditions, ir.Condition{
			Type: string(gatewayv1.RouteConditionPartiallyInvalid), Status: ir.True,
			Reason: r.partial.reason, Message: r.partial.message,
		})
	}
	return conditions
}

// parentRef repeats a parentRef field by field.
func parentRef(p *gatewayv1.ParentReference) ir.ParentRef {
	return ir.ParentRef{
		Group: asString(p.Group), Kind: asString(p.Kind), Namespace: asString(p.Namespace),
		Name: string(p.Name), SectionName: asString(p.SectionName), Port: copyOf(p.Port),
	}
}

func asString[T ~string](p *T) *string {
	if p == nil {
		return nil
	}
	s := string(*p)
	return &s
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
