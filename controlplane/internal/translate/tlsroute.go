package translate

import (
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// stream is what becomes of the connections of a TLSRoute. It depends on
// whether their TLS ends at the listener or passes through.
type stream struct {
	connect *ir.Connect
	// backends are those that the route reaches or would reach.
	backends []*backend
	// unresolved are backendRefs whose share is closed.
	unresolved []*problem
}

// attachTLSRoute attaches a TLSRoute to its parents.
func (t *translation) attachTLSRoute(object *gatewayv1.TLSRoute) (ir.ObjectStatus, bool) {
	return t.attachRoute(kindTLSRoute, object, object.Spec.ParentRefs, object.Status.Parents,
		func() *route { return t.tlsRoute(object) })
}

// tlsRoute translates a TLSRoute.
func (t *translation) tlsRoute(object *gatewayv1.TLSRoute) *route {
	r := &route{
		ref:       routeRef(kindTLSRoute, object),
		created:   object.CreationTimestamp.Time,
		hostnames: object.Spec.Hostnames,
		streams:   map[reach]*stream{},
	}
	rules := object.Spec.Rules
	if len(rules) != 1 {
		r.invalid = problemf(string(gatewayv1.RouteReasonUnsupportedValue), "spec.rules: a TLSRoute has exactly one rule, not %d", len(rules))
		rules = []gatewayv1.TLSRouteRule{{}}
	}
	for i, ref := range rules[0].BackendRefs {
		if weight := deref(ref.Weight, 1); weight < 0 {
			r.invalid = problemf(string(gatewayv1.RouteReasonUnsupportedValue), "rules[0].backendRefs[%d]: weight %d is negative", i, weight)
		}
	}
	r.newStream = func(how reach) *stream { return t.stream(r.ref, how, rules[0].BackendRefs) }
	return r
}

// stream resolves backendRefs into shares of the connections.
func (t *translation) stream(route ir.Ref, how reach, refs []gatewayv1.BackendRef) *stream {
	s := &stream{connect: &ir.Connect{Name: route.String()}}
	total := int64(0)
	for i := range refs {
		weight := max(deref(refs[i].Weight, 1), 0)
		share := ir.WeightedCluster{Cluster: contract.InvalidCluster, Weight: uint32(weight)}
		b, p := t.resolveFor(how, route, &refs[i].BackendObjectReference)
		if p != nil {
			s.unresolved = append(s.unresolved, problemf(p.reason, "rules[0].backendRefs[%d]: %s", i, p.message))
		}
		if b != nil {
			s.backends = append(s.backends, b)
			if b.cluster != nil {
				share.Cluster = b.cluster.Name
			}
		}
		total += int64(weight)
		s.connect.Clusters = append(s.connect.Clusters, share)
	}
	if total == 0 {
		s.connect.Clusters = closedConnect().Clusters
	}
	return s
}

// closedConnect closes every connection.
func closedConnect() *ir.Connect {
	return &ir.Connect{Clusters: []ir.WeightedCluster{{Cluster: contract.InvalidCluster, Weight: 1}}}
}

// streamOn is what a TLSRoute comes to on a listener, nil for other routes.
func (r *route) streamOn(l *listener) *stream {
	if r.newStream == nil {
		return nil
	}
	how := reachBytes
	if l.passesTLS() {
		how = reachThrough
	}
	return r.stream(how)
}

// stream works one out, once.
func (r *route) stream(how reach) *stream {
	if r.streams[how] == nil {
		r.streams[how] = r.newStream(how)
	}
	return r.streams[how]
}

// backendsOn are those that the route reaches, or would reach, from a
// listener.
func (r *route) backendsOn(l *listener) []*backend {
	if s := r.streamOn(l); s != nil {
		return s.backends
	}
	return r.backends
}

// unresolvedOn is what does not resolve of the route on the listeners that it
// is attached to.
func (r *route) unresolvedOn(listeners []*listener) *problem {
	if r.newStream == nil {
		return r.unresolved
	}
	if len(listeners) == 0 {
		return joinProblems(r.stream(reachThrough).unresolved)
	}
	var problems []*problem
	for _, l := range listeners {
		for _, p := range r.streamOn(l).unresolved {
			if !slices.ContainsFunc(problems, func(o *problem) bool { return *o == *p }) {
				problems = append(problems, p)
			}
		}
	}
	return joinProblems(problems)
}
