package envoy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// setCORS has Envoy answer the preflight requests of a route itself, those of
// other origins too, so that no backend answers in its place. For "*" with
// credentials, Envoy names what the request asked for. It leaves redirects and
// fixed answers alone, so that CORS cannot be promised there.
func setCORS(out *routev3.Route, route *ir.Route) error {
	cors := route.CORS
	if cors == nil {
		return nil
	}
	if route.Forward == nil {
		return errors.New("CORS needs a route that forwards")
	}
	policy := &corsv3.CorsPolicy{
		AllowCredentials:             wrapperspb.Bool(cors.AllowCredentials),
		ForwardNotMatchingPreflights: wrapperspb.Bool(false),
	}
	for _, origin := range cors.AllowOrigins {
		matcher, err := stringMatcher(origin)
		if err != nil {
			return fmt.Errorf("CORS: origin %q: %w", origin.Value, err)
		}
		policy.AllowOriginStringMatch = append(policy.AllowOriginStringMatch, matcher)
	}
	for _, list := range []struct {
		names []string
		into  *string
	}{
		{cors.AllowMethods, &policy.AllowMethods},
		{cors.AllowHeaders, &policy.AllowHeaders},
		{cors.ExposeHeaders, &policy.ExposeHeaders},
	} {
		for _, name := range list.names {
			if !httpguts.ValidHeaderFieldName(name) {
				return fmt.Errorf("CORS: %q is neither the name of a method nor of a header", name)
			}
		}
		*list.into = strings.Join(list.names, ", ")
	}
	if cors.MaxAge > 0 {
		policy.MaxAge = strconv.Itoa(int(cors.MaxAge))
	}
	config, err := packed(policy)
	if err != nil {
		return err
	}
	out.TypedPerFilterConfig = map[string]*anypb.Any{corsFilter: config}
	out.ResponseHeadersToRemove = append(slices.Clone(out.ResponseHeadersToRemove), corsHeaders()...)
	return nil
}

// corsHeaders are those of a backend's answer that would override the route's
// settings. Envoy removes them before it sets its own.
func corsHeaders() []string {
	var headers []string
	for _, name := range []string{"origin", "credentials", "methods", "headers", "private-network"} {
		headers = append(headers, "access-control-allow-"+name)
	}
	return append(headers, "access-control-expose-headers", "access-control-max-age")
}

// preflightRoute is for the preflight requests of what a route with CORS
// matches by its method: theirs is another one. It is nil where the route
// itself matches them.
func preflightRoute(out *routev3.Route, route *ir.Route) *routev3.Route {
	if route.CORS == nil || route.Match.Method == "" || route.Match.Method == http.MethodOptions {
		return nil
	}
	preflight := proto.CloneOf(out)
	preflight.Match.Headers = slices.DeleteFunc(preflight.Match.Headers, func(h *routev3.HeaderMatcher) bool { return h.Name == methodHeader })
	preflight.Match.Headers = append(preflight.Match.Headers,
		headerMatcher(methodHeader, exactly(http.MethodOptions)),
		headerMatcher("access-control-request-method", exactly(route.Match.Method)),
		&routev3.HeaderMatcher{Name: "origin", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}},
	)
	return preflight
}
