package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// attachGRPCRoute attaches a GRPCRoute to its parents.
func (t *translation) attachGRPCRoute(object *gatewayv1.GRPCRoute) (ir.ObjectStatus, bool) {
	return t.attachRoute(kindGRPCRoute, object, object.Spec.ParentRefs, object.Status.Parents,
		func() *route { return t.grpcRoute(object) })
}

// grpcRoute translates the rules of a GRPCRoute.
func (t *translation) grpcRoute(object *gatewayv1.GRPCRoute) *route {
	r := &route{
		ref:       routeRef(kindGRPCRoute, object),
		created:   object.CreationTimestamp.Time,
		hostnames: object.Spec.Hostnames,
	}
	rules := object.Spec.Rules
	r.addRules(len(rules), func(i int) (*httpRule, *problem) { return t.grpcRule(r.ref, &rules[i]) })
	return r
}

// grpcRule translates a rule. A gRPC call is an HTTP request, so that all but
// the matches is a rule of an HTTPRoute.
func (t *translation) grpcRule(route ir.Ref, spec *gatewayv1.GRPCRouteRule) (*httpRule, *problem) {
	rule, p := t.httpRule(route, &gatewayv1.HTTPRouteRule{
		Name:               spec.Name,
		Filters:            httpFilters(spec.Filters),
		BackendRefs:        httpBackendRefs(spec.BackendRefs),
		SessionPersistence: spec.SessionPersistence,
	})
	var err error
	if rule.matches, rule.ranks, err = grpcMatches(spec.Matches); err != nil {
		return rule, problemf(string(gatewayv1.RouteReasonUnsupportedValue), "%v", err)
	}
	return rule, p
}

// httpFilters are filters of a GRPCRoute as those of an HTTPRoute, which have
// the same names and content.
func httpFilters(filters []gatewayv1.GRPCRouteFilter) []gatewayv1.HTTPRouteFilter {
	translated := make([]gatewayv1.HTTPRouteFilter, 0, len(filters))
	for _, f := range filters {
		translated = append(translated, gatewayv1.HTTPRouteFilter{
			Type:                   gatewayv1.HTTPRouteFilterType(f.Type),
			RequestHeaderModifier:  f.RequestHeaderModifier,
			ResponseHeaderModifier: f.ResponseHeaderModifier,
			RequestMirror:          f.RequestMirror,
			ExtensionRef:           f.ExtensionRef,
		})
	}
	return translated
}

func httpBackendRefs(refs []gatewayv1.GRPCBackendRef) []gatewayv1.HTTPBackendRef {
	translated := make([]gatewayv1.HTTPBackendRef, 0, len(refs))
	for _, ref := range refs {
		translated = append(translated, gatewayv1.HTTPBackendRef{BackendRef: ref.BackendRef, Filters: httpFilters(ref.Filters)})
	}
	return translated
}
