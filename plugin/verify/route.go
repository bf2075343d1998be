package verify

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// lead is a rule of a route that leads to a backend.
type lead struct {
	route *gatewayv1.HTTPRoute
	rule  int
}

// way is how a request gets to a backend: through which Gateway's listener,
// and what the request must look like.
type way struct {
	lead
	parent *gatewayv1.RouteParentStatus
	place  *place
	// gateway is the one that the place is of; nil if it does not exist.
	gateway  *gatewayv1.Gateway
	listener *gatewayv1.Listener
}

// routed says whether some route leads to that port.
func (w *world) routed(s subject, port int32) bool {
	s.port = port
	return len(w.leads(s)) > 0
}

// leads are the rules that lead to the backend, the heaviest share first.
func (w *world) leads(s subject) []lead {
	type weighted struct {
		lead
		weight int32
	}
	to := s.asReferred()
	var found []weighted
	for i := range w.routes {
		route := &w.routes[i]
		for r, rule := range route.Spec.Rules {
			for _, ref := range rule.BackendRefs {
				if weight := weightOf(ref); to.IsNamed(route.Namespace, ref.BackendObjectReference) && weight > 0 {
					found = append(found, weighted{lead{route, r}, weight})
				}
			}
		}
	}
	slices.SortStableFunc(found, func(a, b weighted) int { return cmp.Compare(b.weight, a.weight) })
	heaviest := make([]lead, 0, len(found))
	for _, f := range found {
		heaviest = append(heaviest, f.lead)
	}
	return heaviest
}

// through says whether a place is of the Gateway that was asked for, if any was.
func (o *Options) through(p *place) bool {
	return o.GatewayName == "" || o.GatewayName == p.name && o.GatewayNamespace == p.namespace
}

func weightOf(ref gatewayv1.HTTPBackendRef) int32 {
	if ref.Weight == nil {
		return 1
	}
	return *ref.Weight
}

// asReferred is the backend as routes refer to it.
func (s subject) asReferred() leads.Backend {
	if s.kind == kindBackend {
		return leads.Backend{Group: v1alpha1.GroupName, Kind: s.kind, Namespace: s.namespace, Name: s.name}
	}
	to := leads.Backend{Kind: s.kind, Namespace: s.namespace, Name: s.name}
	if s.port != 0 {
		to.Ports = []int32{s.port}
	}
	return to
}

// way chooses how to reach the subject: a route and Gateway that are in
// order before ones that are not. It is nil when no route leads there.
func (o *Options) way(ctx context.Context, w *world, s subject) (*way, error) {
	if w.unreadRoutes != nil {
		return nil, w.unreadRoutes
	}
	var best *way
	for _, l := range w.leads(s) {
		for _, ref := range l.route.Spec.ParentRefs {
			candidate, err := o.parent(ctx, w, l, ref)
			if err != nil {
				return nil, err
			}
			if candidate != nil && (best == nil || candidate.order() > best.order()) {
				best = candidate
			}
		}
	}
	return best, nil
}

func (o *Options) parent(ctx context.Context, w *world, l lead, ref gatewayv1.ParentReference) (*way, error) {
	p, err := w.placeOf(ctx, l.route.Namespace, ref)
	if err != nil || p == nil {
		return nil, err
	}
	if !o.through(p) {
		return nil, nil
	}
	candidate := &way{lead: l, place: p, parent: parentStatus(l.route, ref)}
	if p.of != nil && p.of.Missing {
		return candidate, nil
	}
	gateway := &gatewayv1.Gateway{}
	found, err := w.get(ctx, p.namespace, p.name, gateway)
	if err != nil {
		return nil, err
	}
	if found {
		candidate.gateway = gateway
		candidate.listener = listenerFor(p.listeners(gateway), ref, l.route.Spec.Hostnames)
	}
	return candidate, nil
}

func parentStatus(route *gatewayv1.HTTPRoute, ref gatewayv1.ParentReference) *gatewayv1.RouteParentStatus {
	same := func(a, b gatewayv1.ParentReference) bool {
		return value(a.Kind, kindGateway) == value(b.Kind, kindGateway) && a.Name == b.Name && value(a.Namespace, gatewayv1.Namespace(route.Namespace)) == value(b.Namespace, gatewayv1.Namespace(route.Namespace)) &&
			value(a.SectionName, "") == value(b.SectionName, "") && value(a.Port, 0) == value(b.Port, 0)
	}
	for i := range route.Status.Parents {
		if same(route.Status.Parents[i].ParentRef, ref) {
			return &route.Status.Parents[i]
		}
	}
	return nil
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// listenerFor is the listener that the reference names, else the first plain
// HTTP one, else the first HTTPS one, whose hostname the route can have.
func listenerFor(listeners []gatewayv1.Listener, ref gatewayv1.ParentReference, hostnames []gatewayv1.Hostname) *gatewayv1.Listener {
	var secure *gatewayv1.Listener
	for i := range listeners {
		l := &listeners[i]
		if ref.SectionName != nil && *ref.SectionName != l.Name || ref.Port != nil && *ref.Port != l.Port || !meet(l, hostnames) {
			continue
		}
		switch {
		case l.Protocol == gatewayv1.HTTPProtocolType:
			return l
		case l.Protocol == gatewayv1.HTTPSProtocolType && secure == nil:
			secure = l
		}
	}
	return secure
}

func meet(l *gatewayv1.Listener, hostnames []gatewayv1.Hostname) bool {
	listener := string(value(l.Hostname, ""))
	if listener == "" || len(hostnames) == 0 {
		return true
	}
	return slices.ContainsFunc(hostnames, func(h gatewayv1.Hostname) bool {
		return intersect(listener, string(h)) != ""
	})
}

// intersect is the more exact of two hostnames that have names in common.
func intersect(a, b string) string {
	covers := func(wide, narrow string) bool {
		suffix, wildcard := strings.CutPrefix(wide, "*")
		return wide == narrow || wildcard && strings.HasSuffix(narrow, suffix) && len(narrow) > len(suffix)
	}
	switch {
	case covers(a, b):
		return b
	case covers(b, a):
		return a
	}
	return ""
}

// order is higher for a way with less in its way.
func (y *way) order() int {
	order := 0
	if y.gateway != nil {
		order++
		if c, _, _ := y.place.programmed(y.gateway, y.listener); c != nil && c.True {
			order++
		}
	}
	if y.listener != nil {
		order++
	}
	if y.parent != nil {
		if c := condition(y.parent.Conditions, string(gatewayv1.RouteConditionAccepted)); c != nil && c.True {
			order += 4
		}
	}
	return order
}

func (y *way) evidence(s subject) (*diagnose.Route, *diagnose.Gateway) {
	route := &diagnose.Route{Kind: "HTTPRoute", Namespace: y.route.Namespace, Name: y.route.Name}
	route.Shared, route.Stripped = y.answers(s)
	if y.parent != nil {
		route.Accepted = condition(y.parent.Conditions, string(gatewayv1.RouteConditionAccepted))
		route.ResolvedRefs = condition(y.parent.Conditions, string(gatewayv1.RouteConditionResolvedRefs))
	}
	gateway := &diagnose.Gateway{Namespace: y.place.namespace, Name: y.place.name, Set: y.place.of}
	if y.parent != nil {
		gateway.Controller = string(y.parent.ControllerName)
	}
	if y.gateway != nil {
		gateway.Programmed, gateway.Whole, gateway.Listener = y.place.programmed(y.gateway, y.listener)
	}
	gateway.Missing = y.gateway == nil && gateway.Name != ""
	return route, gateway
}

// answers tells what may be known of the answers: shared, that other backends
// give some of them, and stripped, that a filter takes away Envoy's own header.
func (l lead) answers(s subject) (shared, stripped bool) {
	rule, to := l.route.Spec.Rules[l.rule], s.asReferred()
	filters := slices.Clone(rule.Filters)
	for _, ref := range rule.BackendRefs {
		filters = append(filters, ref.Filters...)
		shared = shared || weightOf(ref) > 0 && !to.IsNamed(l.route.Namespace, ref.BackendObjectReference)
	}
	stripped = slices.ContainsFunc(filters, func(f gatewayv1.HTTPRouteFilter) bool {
		return f.ResponseHeaderModifier != nil && slices.ContainsFunc(f.ResponseHeaderModifier.Remove, func(name string) bool {
			return strings.EqualFold(name, diagnose.UpstreamTime)
		})
	})
	return shared, stripped
}

// request is what the route's rule matches, unless options say otherwise.
func (y *way) request(o *Options, sni string) probe.Request {
	r := probe.Request{Method: http.MethodGet, Path: "/", Host: y.host(sni), Header: http.Header{}}
	if matches := y.route.Spec.Rules[y.rule].Matches; len(matches) > 0 {
		applyMatch(&r, matches[0])
	}
	r.Host = cmp.Or(o.Host, r.Host)
	r.Path = cmp.Or(o.Path, r.Path)
	r.Method = cmp.Or(o.Method, r.Method)
	if y.listener.Protocol == gatewayv1.HTTPSProtocolType {
		r.ServerName, _, _ = strings.Cut(r.Host, ":")
	}
	return r
}

func applyMatch(r *probe.Request, match gatewayv1.HTTPRouteMatch) {
	if p := match.Path; p != nil && p.Value != nil && value(p.Type, gatewayv1.PathMatchPathPrefix) != gatewayv1.PathMatchRegularExpression {
		r.Path = *p.Value
	}
	if match.Method != nil {
		r.Method = string(*match.Method)
	}
	for _, h := range match.Headers {
		if value(h.Type, gatewayv1.HeaderMatchExact) == gatewayv1.HeaderMatchExact {
			r.Header.Set(string(h.Name), h.Value)
		}
	}
	query := url.Values{}
	for _, q := range match.QueryParams {
		if value(q.Type, gatewayv1.QueryParamMatchExact) == gatewayv1.QueryParamMatchExact {
			query.Set(string(q.Name), q.Value)
		}
	}
	if len(query) > 0 {
		r.Path += "?" + query.Encode()
	}
}

// host is a name that both the route and the listener take.
func (y *way) host(sni string) string {
	listener := string(value(y.listener.Hostname, ""))
	name := listener
	for _, h := range y.route.Spec.Hostnames {
		if listener == "" {
			name = string(h)
			break
		}
		if common := intersect(listener, string(h)); common != "" {
			name = common
			break
		}
	}
	switch {
	case name == "":
		name = cmp.Or(sni, "example.com")
	case strings.HasPrefix(name, "*."):
		name = "tlsgw-verify" + name[1:]
	}
	return name
}
