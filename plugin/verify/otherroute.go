package verify

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// otherRoute names a GRPCRoute or TLSRoute that leads to the backend, through
// the Gateway that was asked for; empty where there is none, or none may be
// read.
func (o *Options) otherRoute(ctx context.Context, w *world, s subject) (string, error) {
	var calls gatewayv1.GRPCRouteList
	var streams gatewayv1.TLSRouteList
	for _, routes := range []client.ObjectList{&calls, &streams} {
		if err := w.listAll(ctx, routes); err != nil && !apierrors.IsForbidden(err) {
			return "", err
		}
	}
	var found []otherRoute
	for i := range calls.Items {
		route := otherRoute{"GRPCRoute", &calls.Items[i], calls.Items[i].Spec.ParentRefs, nil}
		for _, rule := range calls.Items[i].Spec.Rules {
			for _, ref := range rule.BackendRefs {
				route.refs = append(route.refs, ref.BackendObjectReference)
			}
		}
		found = append(found, route)
	}
	for i := range streams.Items {
		route := otherRoute{"TLSRoute", &streams.Items[i], streams.Items[i].Spec.ParentRefs, nil}
		for _, rule := range streams.Items[i].Spec.Rules {
			for _, ref := range rule.BackendRefs {
				route.refs = append(route.refs, ref.BackendObjectReference)
			}
		}
		found = append(found, route)
	}
	for _, route := range found {
		if leads, err := o.leads(ctx, w, route, s); err != nil || leads {
			return route.kind + " " + route.object.GetNamespace() + "/" + route.object.GetName(), err
		}
	}
	return "", nil
}

// otherRoute is a route of a kind that takes no plain request.
type otherRoute struct {
	kind    string
	object  client.Object
	parents []gatewayv1.ParentReference
	refs    []gatewayv1.BackendObjectReference
}

func (o *Options) leads(ctx context.Context, w *world, r otherRoute, s subject) (bool, error) {
	namespace := r.object.GetNamespace()
	if !slices.ContainsFunc(r.refs, func(ref gatewayv1.BackendObjectReference) bool { return refersTo(namespace, ref, s) }) {
		return false, nil
	}
	if o.GatewayName == "" {
		return true, nil
	}
	for _, ref := range r.parents {
		p, err := w.placeOf(ctx, namespace, ref)
		if err != nil {
			return false, err
		}
		if p != nil && o.through(p) {
			return true, nil
		}
	}
	return false, nil
}
