package envoy

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// redirectRoutes makes the redirect. Where the new port is its scheme's own,
// Location must not show it, but Envoy keeps the port of the request's Host
// unless it is told another. With a known hostname that is told; else a second
// route is for requests whose Host has a port.
func redirectRoutes(out *routev3.Route, route *ir.Route, domain string, tls bool) ([]*routev3.Route, error) {
	action, err := redirectAction(route)
	if err != nil {
		return nil, err
	}
	out.Action = &routev3.Route_Redirect{Redirect: action}
	if action.PortRedirect == 0 || !isDefaultPort(route.Redirect, tls) {
		return []*routev3.Route{out}, nil
	}
	if action.HostRedirect == "" && !strings.Contains(domain, "*") {
		action.HostRedirect = domain
	}
	if action.HostRedirect != "" {
		action.PortRedirect = 0
		return []*routev3.Route{out}, nil
	}
	withPort := proto.CloneOf(out)
	withPort.Match.Headers = append(withPort.Match.Headers, headerMatcher(":authority", &matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: `.*:[0-9]+`}},
	}))
	action.PortRedirect = 0
	return []*routev3.Route{withPort, out}, nil
}

func isDefaultPort(redirect *ir.Redirect, tls bool) bool {
	scheme := redirect.Scheme
	if scheme == "" {
		scheme = "http"
		if tls {
			scheme = "https"
		}
	}
	return scheme == "http" && redirect.Port == 80 || scheme == "https" && redirect.Port == 443
}

func redirectAction(route *ir.Route) (*routev3.RedirectAction, error) {
	redirect := route.Redirect
	code, err := redirectCode(redirect.StatusCode)
	if err != nil {
		return nil, err
	}
	action := &routev3.RedirectAction{
		HostRedirect: redirect.Hostname,
		PortRedirect: uint32(redirect.Port),
		ResponseCode: code,
	}
	if redirect.Scheme != "" {
		action.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: redirect.Scheme}
	}
	if redirect.Path == nil {
		return action, nil
	}
	if !redirect.Path.IsPrefix {
		action.PathRewriteSpecifier = &routev3.RedirectAction_PathRedirect{PathRedirect: redirect.Path.Full}
		return action, nil
	}
	rewrite, err := rewritePath(route.Match, *redirect.Path)
	if err != nil {
		return nil, err
	}
	if rewrite.regex != nil {
		action.PathRewriteSpecifier = &routev3.RedirectAction_RegexRewrite{RegexRewrite: rewrite.regex}
	} else {
		action.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: rewrite.prefix}
	}
	return action, nil
}

func redirectCode(status int) (routev3.RedirectAction_RedirectResponseCode, error) {
	switch status {
	case 301:
		return routev3.RedirectAction_MOVED_PERMANENTLY, nil
	case 0, 302:
		return routev3.RedirectAction_FOUND, nil
	case 303:
		return routev3.RedirectAction_SEE_OTHER, nil
	case 307:
		return routev3.RedirectAction_TEMPORARY_REDIRECT, nil
	case 308:
		return routev3.RedirectAction_PERMANENT_REDIRECT, nil
	default:
		return 0, fmt.Errorf("status %d is no redirect", status)
	}
}
