package translate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	// wildcard stands for every origin, host, method or header.
	wildcard = "*"
	// defaultMaxAge is the API's default, in seconds.
	defaultMaxAge = 5
)

// cors translates a CORS filter. Errors start with the field that is wrong.
func cors(spec *gatewayv1.HTTPCORSFilter) (*ir.CORS, error) {
	if spec == nil {
		return nil, fmt.Errorf("the filter has no content")
	}
	c := &ir.CORS{AllowCredentials: deref(spec.AllowCredentials, false), MaxAge: spec.MaxAge}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if c.MaxAge < 0 {
		return nil, fmt.Errorf("maxAge: %d is negative", c.MaxAge)
	}
	for i, text := range spec.AllowOrigins {
		matches, err := corsOrigin(string(text))
		if err != nil {
			return nil, fmt.Errorf("allowOrigins[%d]: %w", i, err)
		}
		c.AllowOrigins = append(c.AllowOrigins, matches...)
	}
	var err error
	if c.AllowMethods, err = corsNames(spec.AllowMethods); err != nil {
		return nil, fmt.Errorf("allowMethods%w", err)
	}
	if c.AllowHeaders, err = corsNames(spec.AllowHeaders); err != nil {
		return nil, fmt.Errorf("allowHeaders%w", err)
	}
	exposed := spec.ExposeHeaders
	if c.AllowCredentials {
		// The API forbids "*" in answers to requests with credentials, and
		// browsers take it for a name there.
		exposed = slices.DeleteFunc(slices.Clone(exposed), func(name gatewayv1.HTTPHeaderName) bool { return name == wildcard })
	}
	if c.ExposeHeaders, err = corsNames(exposed); err != nil {
		return nil, fmt.Errorf("exposeHeaders%w", err)
	}
	return c, nil
}

// corsOrigin makes the matches of an allowed origin. Browsers leave out the
// port that belongs to the scheme; the API has both forms mean the same.
func corsOrigin(text string) ([]ir.ValueMatch, error) {
	if text == wildcard {
		return []ir.ValueMatch{{Type: ir.Regex, Value: ".*"}}, nil
	}
	parts := regexp.MustCompile(`^(https?)://((?:\*\.)?(?:[a-z0-9-]+\.)*[a-z0-9-]+|\*)(?::([0-9]{1,5}))?$`).
		FindStringSubmatch(strings.ToLower(text))
	if parts == nil {
		return nil, fmt.Errorf("%q is not an origin, as https://www.example.com, https://*.example.com or https://example.com:8443", text)
	}
	scheme, host, port := parts[1], parts[2], strings.TrimLeft(parts[3], "0")
	ownPort := fmt.Sprint(wellKnownPort(scheme))
	if parts[3] == "" {
		port = ownPort
	}
	if len(port) == 0 || len(port) == 5 && port > "65535" {
		return nil, fmt.Errorf("%q: port %s is not between 1 and 65535", text, parts[3])
	}
	if !strings.Contains(host, wildcard) {
		origins := []ir.ValueMatch{{Value: scheme + "://" + host + ":" + port}}
		if port == ownPort {
			origins = append(origins, ir.ValueMatch{Value: scheme + "://" + host})
		}
		return origins, nil
	}
	expression := scheme + "://" + hostExpression(host) + ":" + port
	if port == ownPort {
		expression = scheme + "://" + hostExpression(host) + "(:" + port + ")?"
	}
	if err := checkRegex(expression); err != nil {
		return nil, fmt.Errorf("%q is too long for an origin with a wildcard: %w", text, err)
	}
	return []ir.ValueMatch{{Type: ir.Regex, Value: expression}}, nil
}

// hostExpression lets a wildcard stand for any number of labels; alone, for
// IPv6 addresses too.
func hostExpression(host string) string {
	const labels = `[^/:]*`
	if host == wildcard {
		return `(` + labels + `|\[[^/]*\])`
	}
	return labels + regexp.QuoteMeta(strings.TrimPrefix(host, wildcard))
}

// corsNames are the names of methods or headers; a wildcard needs no other
// beside it. Errors start with an index.
func corsNames[T ~string](names []T) ([]string, error) {
	var checked []string
	for i, name := range names {
		if !validToken(string(name)) {
			return nil, fmt.Errorf("[%d]: %q is not a name", i, name)
		}
		checked = append(checked, string(name))
	}
	if slices.Contains(checked, wildcard) {
		return []string{wildcard}, nil
	}
	return checked, nil
}
