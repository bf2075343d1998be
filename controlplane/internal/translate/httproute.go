package translate

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// httpRoute is an HTTPRoute, translated whatever its parents are.
type httpRoute struct {
	object *gatewayv1.HTTPRoute
	ref    ir.Ref
	// entries are in no order yet.
	entries   []*entry
	redirects bool
	backends  []*backend
	// invalid is set where no rule is valid, partial where some are not.
	invalid, partial *problem
	unresolved       *problem
}

// httpRoute translates the rules of an HTTPRoute.
func (t *translation) httpRoute(object *gatewayv1.HTTPRoute) *httpRoute {
	r := &httpRoute{
		object: object,
		ref:    ir.Ref{Group: gatewayv1.GroupName, Kind: kindHTTPRoute, Name: nameOf(object)},
	}
	rules := object.Spec.Rules
	if len(rules) == 0 {
		rules = []gatewayv1.HTTPRouteRule{{}} // The default of the API.
	}
	var unresolved, dropped []*problem
	var numbers []string
	for i := range rules {
		rule, p := t.httpRule(r.ref, &rules[i])
		r.addEntries(rule, i)
		r.backends = append(r.backends, rule.backends...)
		for _, u := range rule.unresolved {
			unresolved = append(unresolved, problemf(u.reason, "rules[%d].%s", i, u.message))
		}
		if p != nil {
			dropped = append(dropped, problemf(p.reason, "rules[%d].%s", i, p.message))
			numbers = append(numbers, fmt.Sprint(i))
		}
	}
	r.unresolved = joinProblems(unresolved)
	switch joined := joinProblems(dropped); {
	case len(dropped) == len(rules):
		r.invalid = joined
	case joined != nil:
		// The API prescribes how the message starts.
		r.partial = problemf(string(gatewayv1.RouteReasonUnsupportedValue), "Dropped Rule %s: %s", strings.Join(numbers, ", "), joined.message)
	}
	return r
}

// addEntries makes a route of Envoy for each match of a rule.
func (r *httpRoute) addEntries(rule *httpRule, number int) {
	for i, match := range rule.matches {
		route := &ir.Route{
			Name:            fmt.Sprintf("%s/rule/%d/match/%d", r.ref.Name, number, i),
			Match:           match,
			RequestHeaders:  rule.filters.request,
			ResponseHeaders: rule.filters.response,
		}
		if rule.filters.redirect != nil {
			route.Redirect = rule.filters.redirect
			r.redirects = true
		} else {
			route.Forward = rule.forward
		}
		r.entries = append(r.entries, &entry{
			route: route, created: r.object.CreationTimestamp.Time,
			owner: r.ref.Name, rule: number, match: i,
		})
	}
}

// entriesFor are the route's entries for a listener, whose port and protocol
// redirects depend on.
func (r *httpRoute) entriesFor(l *listener) []*entry {
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

// hostnames are the domains that the route asks for.
func (r *httpRoute) hostnames() []string {
	if len(r.object.Spec.Hostnames) == 0 {
		return []string{anyHost}
	}
	domains := make([]string, 0, len(r.object.Spec.Hostnames))
	for i := range r.object.Spec.Hostnames {
		if d := domain(&r.object.Spec.Hostnames[i]); validDomain(d) {
			domains = append(domains, d)
		}
	}
	return domains
}

// domainsOn are the domains that the route serves on a listener.
func (r *httpRoute) domainsOn(l *listener) []string {
	var domains []string
	for _, d := range r.hostnames() {
		if shared, ok := intersect(d, l.domain); ok && !slices.Contains(domains, shared) {
			domains = append(domains, shared)
		}
	}
	return domains
}

// attach binds the route to the listeners of one parentRef, and says what
// became of it.
func (r *httpRoute) attach(g *gateway, parent *gatewayv1.ParentReference) *problem {
	var named, allowed []*listener
	for _, l := range g.listeners {
		if parent.SectionName != nil && *parent.SectionName != "" && *parent.SectionName != l.spec.Name ||
			parent.Port != nil && *parent.Port != l.spec.Port {
			continue
		}
		named = append(named, l)
		if l.allows(r.ref) {
			allowed = append(allowed, l)
		}
	}
	if len(named) == 0 {
		return problemf(string(gatewayv1.RouteReasonNoMatchingParent), "Gateway %s has no listener of this sectionName and port", g.name)
	}
	if len(allowed) == 0 {
		return problemf(string(gatewayv1.RouteReasonNotAllowedByListeners),
			"no listener of Gateway %s allows %s of namespace %s", g.name, r.ref.Kind, r.ref.Namespace)
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
			"no listener of Gateway %s has a hostname that spec.hostnames intersect", g.name)
	}
	return nil
}

// attachHTTPRoute attaches a route to all its parents that are ours, and makes
// its status. A route that has none is left alone, unless an old status of
// ours must go.
func (t *translation) attachHTTPRoute(object *gatewayv1.HTTPRoute) (ir.ObjectStatus, bool) {
	status := ir.ObjectStatus{
		Ref:        ir.Ref{Group: gatewayv1.GroupName, Kind: kindHTTPRoute, Name: nameOf(object)},
		Generation: object.Generation,
	}
	var route *httpRoute
	for i := range object.Spec.ParentRefs {
		parent := &object.Spec.ParentRefs[i]
		g := t.parentGateway(object.Namespace, parent)
		if g == nil {
			continue
		}
		if route == nil {
			route = t.httpRoute(object)
		}
		rejected := route.attach(g, parent)
		if rejected == nil {
			for _, b := range route.backends {
				t.uses.add(b.target, b.portName, g.name)
			}
		}
		status.Parents = append(status.Parents, ir.ParentStatus{
			Parent:     parentRef(parent),
			Conditions: route.conditions(rejected),
		})
	}
	stale := slices.ContainsFunc(object.Status.Parents, func(p gatewayv1.RouteParentStatus) bool {
		return string(p.ControllerName) == t.options.ControllerName
	})
	return status, route != nil || stale
}

// parentGateway finds the Gateway of ours that a parentRef names.
func (t *translation) parentGateway(namespace string, parent *gatewayv1.ParentReference) *gateway {
	if deref(parent.Group, gatewayv1.GroupName) != gatewayv1.GroupName || deref(parent.Kind, kindGateway) != kindGateway {
		return nil
	}
	name := ir.Name{Namespace: string(deref(parent.Namespace, gatewayv1.Namespace(namespace))), Name: string(parent.Name)}
	return t.gateways[name]
}

func (r *httpRoute) conditions(rejected *problem) []ir.Condition {
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
