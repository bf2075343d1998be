package translate

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// httpMatches translates a rule's matches; none means every request. Errors
// start with the field that is wrong.
func httpMatches(matches []gatewayv1.HTTPRouteMatch) ([]ir.Match, error) {
	if len(matches) == 0 {
		return []ir.Match{{PathType: ir.Prefix, Path: "/"}}, nil
	}
	translated := make([]ir.Match, 0, len(matches))
	for i := range matches {
		match, err := httpMatch(&matches[i])
		if err != nil {
			return nil, fmt.Errorf("matches[%d].%w", i, err)
		}
		translated = append(translated, match)
	}
	return translated, nil
}

func httpMatch(match *gatewayv1.HTTPRouteMatch) (ir.Match, error) {
	var m ir.Match
	var err error
	if m.PathType, m.Path, err = pathMatch(match.Path); err != nil {
		return m, fmt.Errorf("path: %w", err)
	}
	if m.Method, err = methodMatch(match.Method); err != nil {
		return m, fmt.Errorf("method: %w", err)
	}
	for i, h := range match.Headers {
		name := strings.ToLower(string(h.Name))
		if hasName(m.Headers, name) {
			continue
		}
		value, err := valueMatch(name, string(deref(h.Type, gatewayv1.HeaderMatchExact)), h.Value)
		if err != nil {
			return m, fmt.Errorf("headers[%d]: %w", i, err)
		}
		m.Headers = append(m.Headers, value)
	}
	for i, q := range match.QueryParams {
		name := string(q.Name)
		if hasName(m.Query, name) {
			continue
		}
		value, err := valueMatch(name, string(deref(q.Type, gatewayv1.QueryParamMatchExact)), q.Value)
		if err != nil {
			return m, fmt.Errorf("queryParams[%d]: %w", i, err)
		}
		m.Query = append(m.Query, value)
	}
	return m, nil
}

func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// hasName tells whether a name is there already: the API has the first of
// several count.
func hasName(values []ir.ValueMatch, name string) bool {
	return slices.ContainsFunc(values, func(v ir.ValueMatch) bool { return v.Name == name })
}

// pathMatch translates a path. A trailing slash of a prefix means nothing.
func pathMatch(path *gatewayv1.HTTPPathMatch) (ir.MatchType, string, error) {
	if path == nil {
		return ir.Prefix, "/", nil
	}
	value := deref(path.Value, "/")
	switch kind := deref(path.Type, gatewayv1.PathMatchPathPrefix); kind {
	case gatewayv1.PathMatchExact:
		return ir.Exact, value, checkPath(value)
	case gatewayv1.PathMatchPathPrefix:
		if trimmed := strings.TrimRight(value, "/"); trimmed != "" {
			return ir.Prefix, trimmed, checkPath(value)
		}
		return ir.Prefix, "/", checkPath(value)
	case gatewayv1.PathMatchRegularExpression:
		return ir.Regex, value, checkRegex(value)
	default:
		return 0, "", fmt.Errorf("type %q is not supported", kind)
	}
}

// checkPath keeps what cannot be a path from Envoy, which refuses the whole
// table of routes for one of them.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") || !printable(path) {
		return fmt.Errorf("value %q is not an absolute path", path)
	}
	return nil
}

func methodMatch(method *gatewayv1.HTTPMethod) (string, error) {
	if method == nil {
		return "", nil
	}
	switch *method {
	case gatewayv1.HTTPMethodGet, gatewayv1.HTTPMethodHead, gatewayv1.HTTPMethodPost, gatewayv1.HTTPMethodPut,
		gatewayv1.HTTPMethodDelete, gatewayv1.HTTPMethodOptions, gatewayv1.HTTPMethodTrace, gatewayv1.HTTPMethodPatch:
		return string(*method), nil
	default:
		// CONNECT too: it has no path that could match.
		return "", fmt.Errorf("%q is not supported", *method)
	}
}

// valueMatch translates the match of a header or query parameter.
func valueMatch(name, kind, value string) (ir.ValueMatch, error) {
	if !validToken(name) {
		return ir.ValueMatch{}, fmt.Errorf("name %q is not valid", name)
	}
	switch kind {
	case "Exact":
		if !validFieldValue(value) {
			return ir.ValueMatch{}, fmt.Errorf("value %q has control characters", value)
		}
		return ir.ValueMatch{Name: name, Type: ir.Exact, Value: value}, nil
	case "RegularExpression":
		return ir.ValueMatch{Name: name, Type: ir.Regex, Value: value}, checkRegex(value)
	default:
		return ir.ValueMatch{}, fmt.Errorf("type %q is not supported", kind)
	}
}
