package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// rank decides among the matches of GRPCRoutes, by the lengths of what they
// name. All is zero in a match of any method.
type rank struct {
	service, method int
	// Those of type RegularExpression come after all of type Exact: their place
	// is left to implementations.
	servicePattern, methodPattern int
}

// compare orders the longer service first, then the longer method.
func (a rank) compare(b rank) int {
	return cmp.Or(
		cmp.Compare(b.service, a.service),
		cmp.Compare(b.method, a.method),
		cmp.Compare(b.servicePattern, a.servicePattern),
		cmp.Compare(b.methodPattern, a.methodPattern),
	)
}

// grpcMatches translates a rule's matches; none means every call. Errors start
// with the field that is wrong.
func grpcMatches(matches []gatewayv1.GRPCRouteMatch) ([]ir.Match, []rank, error) {
	if len(matches) == 0 {
		return []ir.Match{anyCall()}, []rank{{}}, nil
	}
	translated := make([]ir.Match, 0, len(matches))
	ranks := make([]rank, 0, len(matches))
	for i := range matches {
		m, ranked, err := methodCall(matches[i].Method)
		if err != nil {
			return nil, nil, fmt.Errorf("matches[%d].method: %w", i, err)
		}
		for j, h := range matches[i].Headers {
			name := strings.ToLower(string(h.Name))
			if hasName(m.Headers, name) {
				continue
			}
			value, err := valueMatch(name, string(deref(h.Type, gatewayv1.GRPCHeaderMatchExact)), h.Value)
			if err != nil {
				return nil, nil, fmt.Errorf("matches[%d].headers[%d]: %w", i, j, err)
			}
			m.Headers = append(m.Headers, value)
		}
		translated = append(translated, m)
		ranks = append(ranks, ranked)
	}
	return translated, ranks, nil
}

// anyCall matches every call, whose path is "/SERVICE/METHOD".
func anyCall() ir.Match { return ir.Match{PathType: ir.Prefix, Path: "/"} }

// methodCall is the match of the calls that spec asks for.
func methodCall(spec *gatewayv1.GRPCMethodMatch) (ir.Match, rank, error) {
	if spec == nil {
		return anyCall(), rank{}, nil
	}
	service, method := deref(spec.Service, ""), deref(spec.Method, "")
	if service == "" && method == "" {
		return ir.Match{}, rank{}, fmt.Errorf("one of service and method is required")
	}
	switch kind := deref(spec.Type, gatewayv1.GRPCMethodMatchExact); kind {
	case gatewayv1.GRPCMethodMatchExact:
		return exactCall(service, method)
	case gatewayv1.GRPCMethodMatchRegularExpression:
		return patternCall(service, method)
	default:
		return ir.Match{}, rank{}, fmt.Errorf("type %q is not supported", kind)
	}
}

// exactCall matches what is named, and any where nothing is.
func exactCall(service, method string) (ir.Match, rank, error) {
	ranked := rank{service: len(service), method: len(method)}
	for _, name := range []string{service, method} {
		if strings.ContainsAny(name, "/?#") || !printable(name) {
			return ir.Match{}, ranked, fmt.Errorf("%q is not the name of a service or method", name)
		}
	}
	switch {
	case method == "":
		return ir.Match{PathType: ir.Prefix, Path: "/" + service}, ranked, nil
	case service == "":
		pattern := "/[^/]+/" + regexp.QuoteMeta(method)
		return ir.Match{PathType: ir.Regex, Path: pattern}, ranked, checkRegex(pattern)
	default:
		return ir.Match{PathType: ir.Exact, Path: "/" + service + "/" + method}, ranked, nil
	}
}

// patternCall matches by expressions for the whole service and method.
func patternCall(service, method string) (ir.Match, rank, error) {
	ranked := rank{servicePattern: len(service), methodPattern: len(method)}
	path := ""
	for _, pattern := range []string{service, method} {
		if pattern == "" {
			path += "/[^/]+"
			continue
		}
		// Alone too, so that an unmatched parenthesis of one cannot pair up with
		// that of the other.
		if err := checkRegex(pattern); err != nil {
			return ir.Match{}, ranked, err
		}
		path += "/(?:" + pattern + ")"
	}
	return ir.Match{PathType: ir.Regex, Path: path}, ranked, checkRegex(path)
}
