package translate

import (
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
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
	// backends are those that the route reaches or would reach.
	backends []*backend
	// invalid is set where no rule is valid, partial where some are not.
	invalid, partial *problem
	unresolved       *problem

	// newStream is set for a TLSRoute, which comes to a stream, see streamOn, in
	// place of entries, backends and unresolved.
	newStream func(reach) *stream
	streams   map[reach]*stream
}

// routeRef names a route.
func routeRef(kind string, object client.Object) ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: kind, Name: nameOf(object)}
}

// entriesFor are the route's entries for a listener, whose port and protocol
// redirects depend on, and whose Gateway may reach backends by clusters of its
// own.
func (r *route) entriesFor(l *listener) []*entry {
	renamed := l.gateway.presents.renamed(r.backends)
	if !r.redirects && len(renamed) == 0 {
		return r.entries
	}
	entries := make([]*entry, len(r.entries))
	for i, e := range r.entries {
		copied, route := *e, *e.route
		if route.Redirect != nil {
			redirect := *route.Redirect
			redirect.Port = redirectPort(&redirect, l.port)
			route.Redirect = &redirect
		}
		if route.Forward != nil && len(renamed) > 0 {
			route.Forward = renameForward(route.Forward, renamed)
		}
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

// binding is what became of a route and one of its parentRefs.
type binding struct {
	listeners []*listener
	// rejected is why it is attached to no listener.
	rejected *problem
	// refusing are the listeners that answer 500 in its place: see refuse.
	refusing []*listener
	// notes are remarks on a route that is attached.
	notes []string
}

func rejected(p *problem) binding { return binding{rejected: p} }

// attach binds the route to the listeners of one parentRef.
func (r *route) attach(p *parent, ref *gatewayv1.ParentReference) binding {
	if p.refused != nil {
		return rejected(problemf(string(gatewayv1.RouteReasonNoMatchingParent), "%s is not accepted: %s", p, p.refused.message))
	}
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
		return rejected(problemf(string(gatewayv1.RouteReasonNoMatchingParent), "%s has no listener of this sectionName and port", p))
	}
	if len(allowed) == 0 {
		return rejected(problemf(string(gatewayv1.RouteReasonNotAllowedByListeners),
			"no listener of %s allows %s of namespace %s", p, r.ref.Kind, r.ref.Namespace))
	}
	if r.invalid != nil {
		return binding{rejected: r.invalid, refusing: allowed}
	}
	bound := r.bind(allowed)
	if len(bound.listeners) == 0 && bound.rejected == nil {
		bound.rejected = problemf(string(gatewayv1.RouteReasonNoMatchingListenerHostname),
			"no listener of %s has a hostname that spec.hostnames intersect", p)
	}
	return bound
}

// bind attaches the route to those of the listeners with which it shares
// hostnames, but for the ones where a route of a kind that does not go with
// its own was first. It has a problem only where it comes to none of them.
func (r *route) bind(allowed []*listener) binding {
	var bound binding
	var rivals []*problem
	for _, l := range allowed {
		domains := r.domainsOn(l)
		if len(domains) == 0 {
			continue
		}
		if rival := l.rival(r, domains); rival != nil {
			rivals = append(rivals, rival)
			continue
		}
		bound.notes = append(bound.notes, r.olderOn(l, domains)...)
		bound.listeners = append(bound.listeners, l)
		l.attach(r, domains)
	}
	if len(bound.listeners) == 0 {
		return rejected(joinProblems(rivals))
	}
	for _, rival := range rivals {
		bound.notes = append(bound.notes, rival.message)
	}
	return bound
}

// rival tells which route keeps r from a listener: of an HTTPRoute and a
// GRPCRoute with hostnames in common, the API accepts the older one only.
// Routes are attached in the order of their age.
func (l *listener) rival(r *route, domains []string) *problem {
	for _, a := range l.attached {
		if a.route.ref.Kind == r.ref.Kind {
			continue
		}
		for _, d := range domains {
			for _, other := range a.domains {
				if shared, ok := intersect(d, other); ok {
					return problemf(reasonHostnameConflict, "listener %s serves hostname %s for %s, which is older, and a hostname is served either for HTTPRoutes or for GRPCRoutes",
						l.spec.Name, shared, describe(a.route.ref))
				}
			}
		}
	}
	return nil
}

// attachRoutes attaches all routes to their parents, the oldest first: some
// of them exclude each other.
func (t *translation) attachRoutes(s *snapshot.Snapshot) []ir.ObjectStatus {
	type attachable struct {
		object client.Object
		attach func() (ir.ObjectStatus, bool)
	}
	var routes []attachable
	for _, object := range s.HTTPRoutes {
		routes = append(routes, attachable{object, func() (ir.ObjectStatus, bool) { return t.attachHTTPRoute(object) }})
	}
	for _, object := range s.GRPCRoutes {
		routes = append(routes, attachable{object, func() (ir.ObjectStatus, bool) { return t.attachGRPCRoute(object) }})
	}
	for _, object := range s.TLSRoutes {
		routes = append(routes, attachable{object, func() (ir.ObjectStatus, bool) { return t.attachTLSRoute(object) }})
	}
	slices.SortStableFunc(routes, func(a, b attachable) int { return comparePrecedence(a.object, b.object) })
	var statuses []ir.ObjectStatus
	for _, r := range routes {
		if status, ok := r.attach(); ok {
			statuses = append(statuses, status)
		}
	}
	for _, refuse := range t.refusals {
		refuse()
	}
	return statuses
}

// refuse answers 500 to what a route matches that has no valid rule, so that
// no request goes past it to another route, without a filter that somebody
// asked for. It comes after all that are attached, and takes no hostname that
// routes of another kind have.
func (l *listener) refuse(r *route) {
	isThere := slices.ContainsFunc(l.refusing, func(a *attachment) bool { return a.route == r })
	if isThere || len(r.entries) == 0 {
		return
	}
	domains := slices.DeleteFunc(r.domainsOn(l), func(d string) bool {
		return slices.ContainsFunc(slices.Concat(l.attached, l.refusing), func(a *attachment) bool {
			return a.route.ref.Kind != r.ref.Kind && slices.Contains(a.domains, d)
		})
	})
	if len(domains) > 0 {
		l.refusing = append(l.refusing, &attachment{route: r, domains: domains})
	}
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
		bound := r.attach(p, ref)
		for _, l := range bound.listeners {
			for _, b := range r.backendsOn(l) {
				t.uses.add(b, p.gateway.name)
			}
		}
		for _, l := range bound.refusing {
			t.refusals = append(t.refusals, func() { l.refuse(r) })
		}
		status.Parents = append(status.Parents, ir.ParentStatus{
			Parent:     parentRef(ref),
			Conditions: r.conditions(bound),
		})
	}
	stale := slices.ContainsFunc(old, func(p gatewayv1.RouteParentStatus) bool {
		return string(p.ControllerName) == t.options.ControllerName
	})
	return status, r != nil || stale
}

// parent is what a parentRef of a route names.
type parent struct {
	ref     ir.Ref
	gateway *gateway
	// refused is why there are no listeners.
	refused   *problem
	listeners []*listener
}

// String names it in messages.
func (p *parent) String() string { return describe(p.ref) }

// parent finds what a parentRef names, nil where it is not ours.
func (t *translation) parent(namespace string, ref *gatewayv1.ParentReference) *parent {
	if deref(ref.Group, gatewayv1.GroupName) != gatewayv1.GroupName {
		return nil
	}
	name := ir.Name{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(namespace))), Name: string(ref.Name)}
	switch deref(ref.Kind, kindGateway) {
	case kindGateway:
		if g := t.gateways[name]; g != nil {
			return &parent{ref: g.ref(), gateway: g, listeners: g.own()}
		}
	case kindListenerSet:
		if set := t.sets[name]; set != nil {
			return &parent{ref: set.ref(), gateway: set.gateway, refused: set.refused, listeners: set.listeners}
		}
	}
	return nil
}

func (r *route) conditions(bound binding) []ir.Condition {
	conditions := []ir.Condition{
		bound.rejected.condition(conditionAccepted, reasonAccepted, message("the route is attached", bound.notes)),
		r.unresolvedOn(bound.listeners).condition(conditionResolvedRefs, reasonResolvedRefs, "all references resolve"),
	}
	if bound.rejected == nil && r.partial != nil {
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
