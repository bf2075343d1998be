// Package leads finds the routes through which requests come to a backend: a
// backend goes in, out come the HTTPRoutes, GRPCRoutes and TLSRoutes that name
// it. What they name counts, whatever their status says of it.
package leads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Backend is what a reference of a route names.
type Backend struct {
	// Group and Kind: a Service has the empty group.
	Group, Kind     string
	Namespace, Name string
	// Ports of a Service; none is any.
	Ports []int32
}

// Route leads to the backend.
type Route struct {
	// Kind is as in an object: "HTTPRoute".
	Kind            string
	Namespace, Name string
	UID             types.UID
	Parents         []gatewayv1.ParentReference
	// Copies: the backend only gets copies of requests (RequestMirror).
	Copies bool
	// PassesThrough: TLS comes to the backend as the client made it, so that
	// no policy applies.
	PassesThrough bool
	// HTTP is the route where it is an HTTPRoute, else nil.
	HTTP *gatewayv1.HTTPRoute
}

// Resource names the route as a command does: "httproute/nginx".
func (r Route) Resource() string { return strings.ToLower(r.Kind) + "/" + r.Name }

// Find lists the routes to a backend, HTTPRoutes first. Where routes may not be
// listed in all namespaces, those of the backend's own are found. Kinds that
// the cluster does not serve have none. For kinds that may not be listed at
// all there is an error (IsForbidden) beside the routes of the others.
func Find(ctx context.Context, reader client.Reader, to Backend) ([]Route, error) {
	var found []Route
	var unread []error
	var http gatewayv1.HTTPRouteList
	var calls gatewayv1.GRPCRouteList
	var streams gatewayv1.TLSRouteList
	for _, routes := range []client.ObjectList{&http, &calls, &streams} {
		err := list(ctx, reader, to.Namespace, routes)
		if err != nil && !apierrors.IsForbidden(err) {
			return nil, err
		}
		unread = append(unread, err)
	}
	for i := range http.Items {
		route := &http.Items[i]
		one := routeOf("HTTPRoute", route, route.Spec.ParentRefs)
		one.HTTP = route
		found = to.appendIfNamed(found, httpReferences(route), one)
	}
	for i := range calls.Items {
		route := &calls.Items[i]
		found = to.appendIfNamed(found, grpcReferences(route), routeOf("GRPCRoute", route, route.Spec.ParentRefs))
	}
	for i := range streams.Items {
		route := &streams.Items[i]
		before := len(found)
		if found = to.appendIfNamed(found, tlsReferences(route), routeOf("TLSRoute", route, route.Spec.ParentRefs)); len(found) > before {
			found[before].PassesThrough = passesThrough(ctx, reader, route)
		}
	}
	return found, errors.Join(unread...)
}

func routeOf(kind string, object client.Object, parents []gatewayv1.ParentReference) Route {
	return Route{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID(), Parents: parents}
}

func list(ctx context.Context, reader client.Reader, namespace string, into client.ObjectList) error {
	err := reader.List(ctx, into)
	if apierrors.IsForbidden(err) {
		err = reader.List(ctx, into, client.InNamespace(namespace))
	}
	if err == nil || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("look for routes: %w", err)
}

// reference is one way to a backend.
type reference struct {
	gatewayv1.BackendObjectReference
	copies bool
}

func (b Backend) appendIfNamed(found []Route, references []reference, route Route) []Route {
	route.Copies = true
	named := false
	for _, ref := range references {
		if b.IsNamed(route.Namespace, ref.BackendObjectReference) {
			named, route.Copies = true, route.Copies && ref.copies
		}
	}
	if !named {
		return found
	}
	return append(found, route)
}

// IsNamed tells whether a reference in a route of the namespace names the
// backend.
func (b Backend) IsNamed(routeNamespace string, ref gatewayv1.BackendObjectReference) bool {
	namespace, group, kind := gatewayv1.Namespace(routeNamespace), gatewayv1.Group(""), gatewayv1.Kind("Service")
	if ref.Namespace != nil {
		namespace = *ref.Namespace
	}
	if ref.Group != nil {
		group = *ref.Group
	}
	if ref.Kind != nil {
		kind = *ref.Kind
	}
	if string(group) != b.Group || string(kind) != b.Kind || string(namespace) != b.Namespace || string(ref.Name) != b.Name {
		return false
	}
	return len(b.Ports) == 0 || ref.Port != nil && slices.Contains(b.Ports, *ref.Port)
}

// weighed drops what gets no share of the requests.
func weighed(refs []reference, ref gatewayv1.BackendRef) []reference {
	if ref.Weight != nil && *ref.Weight == 0 {
		return refs
	}
	return append(refs, reference{BackendObjectReference: ref.BackendObjectReference})
}

func httpReferences(route *gatewayv1.HTTPRoute) []reference {
	var refs []reference
	mirrors := func(filters []gatewayv1.HTTPRouteFilter) {
		for _, filter := range filters {
			if filter.RequestMirror != nil {
				refs = append(refs, reference{filter.RequestMirror.BackendRef, true})
			}
		}
	}
	for _, rule := range route.Spec.Rules {
		mirrors(rule.Filters)
		for _, ref := range rule.BackendRefs {
			refs = weighed(refs, ref.BackendRef)
			mirrors(ref.Filters)
		}
	}
	return refs
}

func grpcReferences(route *gatewayv1.GRPCRoute) []reference {
	var refs []reference
	mirrors := func(filters []gatewayv1.GRPCRouteFilter) {
		for _, filter := range filters {
			if filter.RequestMirror != nil {
				refs = append(refs, reference{filter.RequestMirror.BackendRef, true})
			}
		}
	}
	for _, rule := range route.Spec.Rules {
		mirrors(rule.Filters)
		for _, ref := range rule.BackendRefs {
			refs = weighed(refs, ref.BackendRef)
			mirrors(ref.Filters)
		}
	}
	return refs
}

func tlsReferences(route *gatewayv1.TLSRoute) []reference {
	var refs []reference
	for _, rule := range route.Spec.Rules {
		for _, ref := range rule.BackendRefs {
			refs = weighed(refs, ref)
		}
	}
	return refs
}
