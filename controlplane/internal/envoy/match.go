package envoy

import (
	"fmt"
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"golang.org/x/net/http/httpguts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// methodHeader is how Envoy names the method of a request.
const methodHeader = ":method"

func buildMatch(m ir.Match) (*routev3.RouteMatch, error) {
	match := &routev3.RouteMatch{}
	if err := setPathMatch(match, m); err != nil {
		return nil, err
	}
	if m.Method != "" {
		match.Headers = append(match.Headers, headerMatcher(methodHeader, exactly(m.Method)))
	}
	for _, header := range m.Headers {
		if !httpguts.ValidHeaderFieldName(header.Name) {
			return nil, fmt.Errorf("match of header %q: not a header name", header.Name)
		}
		matcher, err := stringMatcher(header)
		if err != nil {
			return nil, fmt.Errorf("match of header %q: %w", header.Name, err)
		}
		match.Headers = append(match.Headers, headerMatcher(header.Name, matcher))
	}
	for _, query := range m.Query {
		matcher, err := stringMatcher(query)
		if err != nil {
			return nil, fmt.Errorf("match of query parameter %q: %w", query.Name, err)
		}
		match.QueryParameters = append(match.QueryParameters, &routev3.QueryParameterMatcher{
			Name: query.Name,
			QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_StringMatch{
				StringMatch: matcher,
			},
		})
	}
	return match, match.Validate()
}

func setPathMatch(match *routev3.RouteMatch, m ir.Match) error {
	switch m.PathType {
	case ir.Exact:
		match.PathSpecifier = &routev3.RouteMatch_Path{Path: m.Path}
	case ir.Prefix:
		prefix := trimmedPrefix(m.Path)
		if prefix == "" {
			match.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: "/"}
		} else {
			match.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}
		}
	case ir.Regex:
		matcher, err := regexMatcher(m.Path)
		if err != nil {
			return fmt.Errorf("match of path: %w", err)
		}
		match.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: matcher}
	default:
		return fmt.Errorf("match of path: unknown type %d", m.PathType)
	}
	return nil
}

// trimmedPrefix ignores slashes at the end, as Gateway API has it; the root
// becomes empty.
func trimmedPrefix(path string) string { return strings.TrimRight(path, "/") }

func headerMatcher(name string, matcher *matcherv3.StringMatcher) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name:                 name,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: matcher},
	}
}

func stringMatcher(m ir.ValueMatch) (*matcherv3.StringMatcher, error) {
	switch m.Type {
	case ir.Exact:
		return exactly(m.Value), nil
	case ir.Regex:
		regex, err := regexMatcher(m.Value)
		if err != nil {
			return nil, err
		}
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: regex}}, nil
	default:
		return nil, fmt.Errorf("unknown type %d", m.Type)
	}
}

// regexMatcher compiles the expression first: Go's syntax is RE2's, and Envoy
// would reject all routes along with a bad one.
func regexMatcher(expression string) (*matcherv3.RegexMatcher, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	return &matcherv3.RegexMatcher{Regex: expression}, nil
}
