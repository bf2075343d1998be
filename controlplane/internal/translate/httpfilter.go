package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// filters are what the filters of a rule or of a backendRef come to.
type filters struct {
	request, response ir.HeaderMods
	redirect          *ir.Redirect
	rewrite           *rewrite
	cors              *ir.CORS
	mirrors           []mirror
}

// rewrite is what a URLRewrite changes.
type rewrite struct {
	host string
	path *ir.PathRewrite
}

// ruleFilters translates the filters of a rule.
func ruleFilters(specs []gatewayv1.HTTPRouteFilter) (filters, *problem) {
	var f filters
	for i := range specs {
		err := f.apply(i, &specs[i])
		if err != nil {
			return f, problemf(string(gatewayv1.RouteReasonUnsupportedValue), "filters[%d]: %v", i, err)
		}
		if specs[i].Type == gatewayv1.HTTPRouteFilterRequestMirror {
			continue // The only one of which there may be several.
		}
		if slices.ContainsFunc(specs[:i], func(other gatewayv1.HTTPRouteFilter) bool { return other.Type == specs[i].Type }) {
			return f, problemf(string(gatewayv1.RouteReasonIncompatibleFilters), "filters[%d]: %s occurs twice", i, specs[i].Type)
		}
	}
	if f.redirect == nil {
		return f, nil
	}
	for _, other := range []struct {
		isThere bool
		reason  string
	}{
		{f.rewrite != nil, "RequestRedirect and URLRewrite exclude each other"},
		{len(f.mirrors) > 0, "RequestRedirect and RequestMirror exclude each other: a request that is redirected here is not copied"},
		{f.cors != nil, "RequestRedirect and CORS exclude each other: browsers follow no redirect of a preflight request"},
	} {
		if other.isThere {
			return f, problemf(string(gatewayv1.RouteReasonIncompatibleFilters), "filters: %s", other.reason)
		}
	}
	return f, nil
}

// apply takes in one filter. What is not supported is an error and never
// left out: a request must not go on without it.
func (f *filters) apply(number int, spec *gatewayv1.HTTPRouteFilter) (err error) {
	switch spec.Type {
	case gatewayv1.HTTPRouteFilterRequestHeaderModifier:
		f.request, err = headerMods(spec.RequestHeaderModifier)
	case gatewayv1.HTTPRouteFilterResponseHeaderModifier:
		f.response, err = headerMods(spec.ResponseHeaderModifier)
	case gatewayv1.HTTPRouteFilterRequestRedirect:
		f.redirect, err = redirect(spec.RequestRedirect)
	case gatewayv1.HTTPRouteFilterURLRewrite:
		f.rewrite, err = urlRewrite(spec.URLRewrite)
	case gatewayv1.HTTPRouteFilterCORS:
		f.cors, err = cors(spec.CORS)
	case gatewayv1.HTTPRouteFilterRequestMirror:
		var m mirror
		m, err = newMirror(number, spec.RequestMirror)
		f.mirrors = append(f.mirrors, m)
	default:
		return fmt.Errorf("%s is not supported", spec.Type)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Type, err)
	}
	return nil
}

// backendFilters translates the filters of a backendRef, of which only header
// modifiers are supported.
func backendFilters(specs []gatewayv1.HTTPRouteFilter) (filters, *problem) {
	for i := range specs {
		switch specs[i].Type {
		case gatewayv1.HTTPRouteFilterRequestHeaderModifier, gatewayv1.HTTPRouteFilterResponseHeaderModifier:
		default:
			return filters{}, problemf(string(gatewayv1.RouteReasonUnsupportedValue),
				"filters[%d]: %s is not supported in a backendRef: use it in the rule", i, specs[i].Type)
		}
	}
	return ruleFilters(specs)
}

// redirect translates a RequestRedirect. The port is settled for each
// listener by redirectPort.
func redirect(spec *gatewayv1.HTTPRequestRedirectFilter) (*ir.Redirect, error) {
	if spec == nil {
		return nil, fmt.Errorf("the filter has no content")
	}
	r := &ir.Redirect{Scheme: deref(spec.Scheme, ""), StatusCode: deref(spec.StatusCode, http.StatusFound)}
	if r.Scheme != "" && r.Scheme != "http" && r.Scheme != "https" {
		return nil, fmt.Errorf("scheme %q is not supported: use http or https", r.Scheme)
	}
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, fmt.Errorf("statusCode %d is not supported: use 301, 302, 303, 307 or 308", r.StatusCode)
	}
	var err error
	if r.Hostname, err = rewriteHost(spec.Hostname); err != nil {
		return nil, err
	}
	if spec.Port != nil {
		port, ok := portNumber(*spec.Port)
		if !ok {
			return nil, fmt.Errorf("port %d is not between 1 and 65535", *spec.Port)
		}
		r.Port = port
	}
	r.Path, err = pathRewrite(spec.Path)
	return r, err
}

func urlRewrite(spec *gatewayv1.HTTPURLRewriteFilter) (*rewrite, error) {
	if spec == nil {
		return nil, fmt.Errorf("the filter has no content")
	}
	host, err := rewriteHost(spec.Hostname)
	if err != nil {
		return nil, err
	}
	path, err := pathRewrite(spec.Path)
	return &rewrite{host: host, path: path}, err
}

func rewriteHost(hostname *gatewayv1.PreciseHostname) (string, error) {
	if hostname == nil || *hostname == "" {
		return "", nil
	}
	if name := string(*hostname); validDNSName(name) {
		return name, nil
	}
	return "", fmt.Errorf("hostname %q is not a DNS name", *hostname)
}

func pathRewrite(spec *gatewayv1.HTTPPathModifier) (*ir.PathRewrite, error) {
	if spec == nil {
		return nil, nil //nolint:nilnil // No rewrite is a result, not an error.
	}
	switch spec.Type {
	case gatewayv1.FullPathHTTPPathModifier:
		full := deref(spec.ReplaceFullPath, "")
		if full == "" {
			full = "/"
		}
		return &ir.PathRewrite{Full: full}, checkRewritePath(full)
	case gatewayv1.PrefixMatchHTTPPathModifier:
		prefix := deref(spec.ReplacePrefixMatch, "")
		return &ir.PathRewrite{Prefix: prefix, IsPrefix: true}, checkRewritePath(prefix)
	default:
		return nil, fmt.Errorf("path type %q is not supported", spec.Type)
	}
}

// checkRewritePath lets a query through in the path of a redirect, as the API
// does not forbid it, but nothing that could end a header line.
func checkRewritePath(path string) error {
	if path != "" && !strings.HasPrefix(path, "/") || path != "" && !printable(path) || strings.Contains(path, "#") {
		return fmt.Errorf("path %q is not absolute", path)
	}
	return nil
}

// replacesPrefix tells whether a filter needs to know the matched prefix.
func (f *filters) replacesPrefix() bool {
	return f.redirect != nil && f.redirect.Path != nil && f.redirect.Path.IsPrefix ||
		f.rewrite != nil && f.rewrite.path != nil && f.rewrite.path.IsPrefix
}

// redirectPort settles the port of a redirect for one listener, as the API
// has it: that of the redirect, else the one that belongs to its scheme, else
// the listener's. The port of the request's Host does not count: a client that
// comes through a mapped port would be sent to a scheme on the wrong port.
func redirectPort(r *ir.Redirect, port uint16) uint16 {
	switch {
	case r.Port != 0:
		return r.Port
	case r.Scheme != "":
		return wellKnownPort(r.Scheme)
	default:
		return port
	}
}

func wellKnownPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}
