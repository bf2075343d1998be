package originate

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// leading is what is known of the route that leads to the backend.
type leading struct {
	// route is what requests can be made from: nil where there is none that
	// originate made.
	route *scaffold.Route
	// name is KIND/NAME of a route that somebody else made.
	name string
	// unknown: routes could not be listed.
	unknown bool
}

func (l leading) String() string {
	switch {
	case l.unknown:
		return "Whether a route leads to it is not known: HTTPRoutes cannot be listed."
	case l.name != "":
		return l.name + " leads to it."
	}
	return "No route leads to it yet: --expose HOSTNAME makes one."
}

// leadingRoute is the route that is being applied, else one in the namespace.
// When routes cannot be listed, nothing is known of any.
func (r *run) leadingRoute(ctx context.Context) leading {
	if r.spec.Route != nil {
		return leading{route: r.spec.Route}
	}
	var found leading
	var routes gatewayv1.HTTPRouteList
	if r.clients.Client.List(ctx, &routes, client.InNamespace(r.spec.Namespace)) != nil {
		return leading{unknown: true}
	}
	for i := range routes.Items {
		route := &routes.Items[i]
		if !r.leadsHere(route) {
			continue
		}
		if made := r.madeRoute(route); made != nil {
			return leading{route: made}
		}
		found.name = "httproute/" + route.Name
	}
	if found.name == "" {
		found.name = r.otherRoute(ctx)
	}
	return found
}

// otherRoute is a GRPCRoute or TLSRoute that leads to the backend, empty where
// none is seen: their kinds need not be installed.
func (r *run) otherRoute(ctx context.Context) string {
	var calls gatewayv1.GRPCRouteList
	if r.clients.Client.List(ctx, &calls, client.InNamespace(r.spec.Namespace)) == nil {
		for i := range calls.Items {
			for _, rule := range calls.Items[i].Spec.Rules {
				if slices.ContainsFunc(rule.BackendRefs, func(ref gatewayv1.GRPCBackendRef) bool { return r.isTarget(ref.BackendObjectReference) }) {
					return "grpcroute/" + calls.Items[i].Name
				}
			}
		}
	}
	var streams gatewayv1.TLSRouteList
	if r.clients.Client.List(ctx, &streams, client.InNamespace(r.spec.Namespace)) == nil {
		for i := range streams.Items {
			for _, rule := range streams.Items[i].Spec.Rules {
				if slices.ContainsFunc(rule.BackendRefs, func(ref gatewayv1.BackendRef) bool { return r.isTarget(ref.BackendObjectReference) }) {
					return "tlsroute/" + streams.Items[i].Name
				}
			}
		}
	}
	return ""
}

func (r *run) leadsHere(route *gatewayv1.HTTPRoute) bool {
	for _, rule := range route.Spec.Rules {
		for _, ref := range rule.BackendRefs {
			if r.isTarget(ref.BackendObjectReference) {
				return true
			}
		}
	}
	return false
}

func (r *run) isTarget(ref gatewayv1.BackendObjectReference) bool {
	if ref.Namespace != nil && string(*ref.Namespace) != r.spec.Namespace {
		return false
	}
	if r.spec.Target.Kind == scaffold.Service {
		return (ref.Kind == nil || *ref.Kind == "Service") && (ref.Group == nil || *ref.Group == "") &&
			string(ref.Name) == r.spec.Target.Name && ref.Port != nil && *ref.Port == r.backend.port
	}
	return ref.Kind != nil && *ref.Kind == v1alpha1.KindBackend && ref.Group != nil && *ref.Group == v1alpha1.GroupName &&
		string(ref.Name) == r.spec.BackendName()
}

// madeRoute reads back a route that originate made for the target; nil for
// any other, as what requests it takes is not for us to guess.
func (r *run) madeRoute(route *gatewayv1.HTTPRoute) *scaffold.Route {
	spec := &route.Spec
	if route.Labels[contract.LabelOriginate] != r.spec.OriginateLabel() ||
		len(spec.Hostnames) != 1 || len(spec.ParentRefs) != 1 || len(spec.Rules) != 1 || len(spec.Rules[0].Matches) > 1 {
		return nil
	}
	if kind := spec.ParentRefs[0].Kind; kind != nil && *kind != "Gateway" {
		return nil // A ListenerSet does not tell the Gateway.
	}
	made := &scaffold.Route{
		Hostname: string(spec.Hostnames[0]), ServicePort: r.backend.port,
		GatewayNamespace: route.Namespace, GatewayName: string(spec.ParentRefs[0].Name),
	}
	if namespace := spec.ParentRefs[0].Namespace; namespace != nil {
		made.GatewayNamespace = string(*namespace)
	}
	for _, match := range spec.Rules[0].Matches {
		if match.Path != nil && match.Path.Value != nil {
			made.PathPrefix = *match.Path.Value
		}
	}
	return made
}
