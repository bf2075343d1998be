package envoy

import (
	"errors"
	"fmt"
	"net/http"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// addRoutes adds the route configuration of a chain. Envoy accepts or rejects
// it as a whole, so that every part is checked and left out on its own here.
func (b *builder) addRoutes(chain *ir.FilterChain) error {
	if _, duplicate := b.resources.Routes[chain.Routes.Name]; duplicate {
		return fmt.Errorf("another chain has route configuration %q", chain.Routes.Name)
	}
	config := &routev3.RouteConfiguration{
		Name:                     chain.Routes.Name,
		IgnorePortInHostMatching: true,
	}
	domains, names := map[string]bool{}, map[string]bool{}
	for i := range chain.Routes.VirtualHosts {
		host := &chain.Routes.VirtualHosts[i]
		if domains[host.Domain] || names[host.Name] {
			b.report("virtual host", host.Name, fmt.Errorf("its name or its domain %q is taken", host.Domain))
			continue
		}
		built := b.buildVirtualHost(host, chain.TLS != nil)
		if err := built.Validate(); err != nil {
			b.report("virtual host", host.Name, err)
			continue
		}
		domains[host.Domain], names[host.Name] = true, true
		config.VirtualHosts = append(config.VirtualHosts, built)
	}
	if err := config.Validate(); err != nil {
		return err
	}
	b.resources.Routes[config.Name] = config
	return nil
}

func (b *builder) buildVirtualHost(host *ir.VirtualHost, tls bool) *routev3.VirtualHost {
	out := &routev3.VirtualHost{Name: host.Name, Domains: []string{host.Domain}}
	for _, route := range host.Routes {
		built, err := guarded(func() ([]*routev3.Route, error) { return buildRoute(route, host.Domain, tls) })
		if err != nil {
			b.report("route", routeName(route), err)
			built, _ = guarded(func() ([]*routev3.Route, error) { return closedRoute(route), nil })
		}
		out.Routes = append(out.Routes, built...)
	}
	return out
}

// closedRoute fails what a broken route matches: without it the
// requests would fall through to a route with another backend.
func closedRoute(route *ir.Route) []*routev3.Route {
	match, err := buildMatch(route.Match)
	if err != nil {
		return nil
	}
	closed := &routev3.Route{Name: route.Name, Match: match, Action: failure(route)}
	if closed.Validate() != nil {
		return nil
	}
	return []*routev3.Route{closed}
}

// buildRoute makes one route, or the two that some redirects and CORS need.
func buildRoute(route *ir.Route, domain string, tls bool) ([]*routev3.Route, error) {
	match, err := buildMatch(route.Match)
	if err != nil {
		return nil, err
	}
	out := &routev3.Route{Name: route.Name, Match: match}
	if err := setRouteHeaders(out, route); err != nil {
		return nil, err
	}
	if err := setCORS(out, route); err != nil {
		return nil, err
	}
	routes := []*routev3.Route{out}
	switch {
	case countSet(route.Redirect != nil, route.Forward != nil, route.Status != 0) != 1:
		err = errors.New("exactly one of redirect, forward and status must be set")
	case route.Redirect != nil:
		routes, err = redirectRoutes(out, route, domain, tls)
	case route.Forward != nil:
		err = setForward(out, route)
	default:
		out.Action, err = fixedStatus(route.Status)
	}
	if err != nil {
		return nil, err
	}
	if preflight := preflightRoute(out, route); preflight != nil {
		routes = append(routes, preflight)
	}
	for _, r := range routes {
		if err := r.Validate(); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

func countSet(all ...bool) int {
	count := 0
	for _, isSet := range all {
		if isSet {
			count++
		}
	}
	return count
}

// fixedStatus answers without a body.
func fixedStatus(status int) (*routev3.Route_DirectResponse, error) {
	if status < 200 || status > 599 {
		return nil, fmt.Errorf("status %d is no final answer", status)
	}
	return &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: uint32(status)}}, nil
}

// failure answers 500, or 503 to gRPC: Envoy gives a gRPC client UNAVAILABLE
// for 503, as GRPCRoute wants it, and UNKNOWN for 500.
func failure(route *ir.Route) *routev3.Route_DirectResponse {
	status := uint32(http.StatusInternalServerError)
	if route.GRPC {
		status = http.StatusServiceUnavailable
	}
	return &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: status}}
}
