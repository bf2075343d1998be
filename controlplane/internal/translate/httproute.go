package translate

import (
	"fmt"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// attachHTTPRoute attaches an HTTPRoute to its parents.
func (t *translation) attachHTTPRoute(object *gatewayv1.HTTPRoute) (ir.ObjectStatus, bool) {
	return t.attachRoute(kindHTTPRoute, object, object.Spec.ParentRefs, object.Status.Parents,
		func() *route { return t.httpRoute(object) })
}

// httpRoute translates the rules of an HTTPRoute.
func (t *translation) httpRoute(object *gatewayv1.HTTPRoute) *route {
	r := &route{
		ref:       routeRef(kindHTTPRoute, object),
		created:   object.CreationTimestamp.Time,
		hostnames: object.Spec.Hostnames,
	}
	rules := object.Spec.Rules
	if len(rules) == 0 {
		rules = []gatewayv1.HTTPRouteRule{{}} // The default of the API.
	}
	r.addRules(len(rules), func(i int) (*httpRule, *problem) { return t.httpRule(r.ref, &rules[i]) })
	return r
}

// addRules adds the rules of a route of requests; translated gives the ones
// from 0 to n-1.
func (r *route) addRules(n int, translated func(i int) (*httpRule, *problem)) {
	var unresolved, dropped []*problem
	var numbers []string
	for i := range n {
		rule, p := translated(i)
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
	case len(dropped) == n:
		r.invalid = joined
		if joined != nil && len(r.entries) > 0 {
			r.invalid = problemf(joined.reason, "%s; requests that match get 500", joined.message)
		}
	case joined != nil:
		// The API prescribes how the message starts.
		r.partial = problemf(string(gatewayv1.RouteReasonUnsupportedValue), "Dropped Rule %s: %s", strings.Join(numbers, ", "), joined.message)
	}
}

// addEntries makes a route of Envoy for each match of a rule.
func (r *route) addEntries(rule *httpRule, number int) {
	for i, match := range rule.matches {
		route := &ir.Route{
			Name:            ir.RouteName(r.ref, number, i) + nameSuffix(rule.name),
			Match:           match,
			GRPC:            r.ref.Kind == kindGRPCRoute,
			CORS:            rule.filters.cors,
			RequestHeaders:  rule.filters.request,
			ResponseHeaders: rule.filters.response,
		}
		if rule.filters.redirect != nil {
			route.Redirect = rule.filters.redirect
			r.redirects = true
		} else {
			route.Forward = rule.forward
		}
		e := &entry{
			route: route, created: r.created,
			owner: r.ref.Name, rule: number, match: i,
		}
		if len(rule.ranks) > 0 {
			e.rank = rule.ranks[i]
		}
		r.entries = append(r.entries, e)
	}
}
