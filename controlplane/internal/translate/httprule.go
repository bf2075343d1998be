package translate

import (
	"fmt"
	"regexp"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// nameSuffix adds the name of a rule, where it has one, to the name of its
// routes in Envoy.
func nameSuffix(rule gatewayv1.SectionName) string {
	if !validDNSName(string(rule)) {
		return ""
	}
	return "/" + string(rule)
}

// httpRule is a rule on its way to routes of Envoy.
type httpRule struct {
	// name is empty where the rule has none.
	name    gatewayv1.SectionName
	matches []ir.Match
	// ranks are those of the matches of a GRPCRoute.
	ranks   []rank
	filters filters
	forward *ir.Forward
	// backends are those that the rule reaches or would reach.
	backends []*backend
	// unresolved are backendRefs whose share gets 500, and mirrors that are
	// left out.
	unresolved []*problem
}

// httpRule translates a rule. With a problem the rule is not valid; what
// matches it is then answered by 500 where the matches are valid, so that no
// request goes on without a filter that somebody asked for.
func (t *translation) httpRule(route ir.Ref, spec *gatewayv1.HTTPRouteRule) (*httpRule, *problem) {
	rule := &httpRule{name: deref(spec.Name, ""), forward: invalidForward()}
	var err error
	if rule.matches, err = httpMatches(spec.Matches); err != nil {
		return rule, problemf(string(gatewayv1.RouteReasonUnsupportedValue), "%v", err)
	}
	if p := t.fillRule(route, spec, rule); p != nil {
		rule.filters, rule.forward = filters{}, invalidForward()
		return rule, p
	}
	return rule, nil
}

// fillRule translates what becomes of the requests that match.
func (t *translation) fillRule(route ir.Ref, spec *gatewayv1.HTTPRouteRule, rule *httpRule) (p *problem) {
	if rule.filters, p = ruleFilters(spec.Filters); p == nil {
		p = checkRule(spec, rule)
	}
	if p != nil {
		return p
	}
	var err error
	forward := &ir.Forward{}
	if forward.Timeout, forward.PerTryTimeout, err = timeouts(spec.Timeouts); err != nil {
		return problemf(string(gatewayv1.RouteReasonUnsupportedValue), "timeouts.%v", err)
	}
	if forward.Retry, err = retry(spec.Retry); err != nil {
		return problemf(string(gatewayv1.RouteReasonUnsupportedValue), "retry.%v", err)
	}
	if rewrite := rule.filters.rewrite; rewrite != nil {
		forward.HostRewrite, forward.Path = rewrite.host, rewrite.path
	}
	if p := t.ruleBackends(route, spec.BackendRefs, rule, forward); p != nil {
		return p
	}
	t.ruleMirrors(route, rule, forward)
	rule.forward = forward
	return nil
}

// ruleMirrors resolves the mirrors, which are backends of the rule too.
func (t *translation) ruleMirrors(route ir.Ref, rule *httpRule, forward *ir.Forward) {
	mirrors, backends, unresolved := t.mirrors(route, rule.filters.mirrors)
	forward.Mirrors = mirrors
	rule.backends = append(rule.backends, backends...)
	rule.unresolved = append(rule.unresolved, unresolved...)
}

// invalidForward answers 500.
func invalidForward() *ir.Forward {
	return &ir.Forward{Clusters: []ir.WeightedCluster{{Cluster: contract.InvalidCluster, Weight: 1}}}
}

// checkRule refuses combinations, and fields that are not served.
func checkRule(spec *gatewayv1.HTTPRouteRule, rule *httpRule) *problem {
	switch {
	case spec.SessionPersistence != nil:
		return problemf(string(gatewayv1.RouteReasonUnsupportedValue), "sessionPersistence is not supported")
	case rule.filters.redirect != nil && len(spec.BackendRefs) > 0:
		return problemf(string(gatewayv1.RouteReasonIncompatibleFilters), "RequestRedirect and backendRefs exclude each other")
	}
	if !rule.filters.replacesPrefix() {
		return nil
	}
	for _, match := range rule.matches {
		if match.PathType != ir.Prefix {
			return problemf(string(gatewayv1.RouteReasonUnsupportedValue), "ReplacePrefixMatch needs matches of type PathPrefix")
		}
	}
	return nil
}

// ruleBackends resolves the backendRefs into shares of the traffic.
func (t *translation) ruleBackends(route ir.Ref, refs []gatewayv1.HTTPBackendRef, rule *httpRule, forward *ir.Forward) *problem {
	total := int64(0)
	for i := range refs {
		weight := deref(refs[i].Weight, 1)
		if weight < 0 {
			return problemf(string(gatewayv1.RouteReasonUnsupportedValue), "backendRefs[%d]: weight %d is negative", i, weight)
		}
		f, p := backendFilters(refs[i].Filters)
		if p != nil {
			return problemf(p.reason, "backendRefs[%d].%s", i, p.message)
		}
		share := ir.WeightedCluster{
			Cluster: contract.InvalidCluster, Weight: uint32(weight),
			RequestHeaders: f.request, ResponseHeaders: f.response,
		}
		b, unresolved := t.resolve(route, &refs[i].BackendObjectReference)
		if unresolved != nil {
			rule.unresolved = append(rule.unresolved, problemf(unresolved.reason, "backendRefs[%d]: %s", i, unresolved.message))
		}
		if b != nil {
			rule.backends = append(rule.backends, b)
			if b.cluster != nil {
				share.Cluster = b.cluster.Name
			}
		}
		total += int64(weight)
		forward.Clusters = append(forward.Clusters, share)
	}
	if total == 0 {
		forward.Clusters = invalidForward().Clusters
	}
	return nil
}

// timeouts translates durations of GEP-2257.
func timeouts(spec *gatewayv1.HTTPRouteTimeouts) (request, attempt *time.Duration, err error) {
	if spec == nil {
		return nil, nil, nil
	}
	if request, err = duration(spec.Request); err != nil {
		return nil, nil, fmt.Errorf("request: %w", err)
	}
	if attempt, err = duration(spec.BackendRequest); err != nil {
		return nil, nil, fmt.Errorf("backendRequest: %w", err)
	}
	if request != nil && attempt != nil && *request > 0 && *attempt > *request {
		return nil, nil, fmt.Errorf("backendRequest: %s is longer than request %s", *attempt, *request)
	}
	if attempt != nil && *attempt == 0 {
		attempt = nil
	}
	return request, attempt, nil
}

func duration(text *gatewayv1.Duration) (*time.Duration, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // No limit is a result, not an error.
	}
	if !regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`).MatchString(string(*text)) {
		return nil, fmt.Errorf("%q is not a duration, as 10s or 1m30s", *text)
	}
	d, err := time.ParseDuration(string(*text))
	if err != nil {
		return nil, fmt.Errorf("%q is not a duration: %w", *text, err)
	}
	return &d, nil
}
