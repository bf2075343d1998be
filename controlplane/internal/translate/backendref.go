package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// resolve finds the backend to which a route's requests go. The problem is in
// the words of the route's ResolvedRefs; a backend may come with one, when it
// exists but is not valid.
func (t *translation) resolve(route ir.Ref, ref *gatewayv1.BackendObjectReference) (*backend, *problem) {
	return t.resolveFor(reachOf(route.Kind), route, ref)
}

// resolveFor is resolve for a way of reaching the backend.
func (t *translation) resolveFor(how reach, route ir.Ref, ref *gatewayv1.BackendObjectReference) (*backend, *problem) {
	target := backendTarget(route.Namespace, ref)
	isService := target.Group == groupCore && target.Kind == kindService
	isBackend := target.Group == groupKgateway && target.Kind == kindBackend
	if !isService && !isBackend {
		return nil, problemf(string(gatewayv1.RouteReasonInvalidKind),
			"kind %s of group %q is not supported: use a Service (group \"\") or a Backend (group %s)", target.Kind, target.Group, groupKgateway)
	}
	if !t.objects.granted(route, target) {
		return nil, problemf(string(gatewayv1.RouteReasonRefNotPermitted),
			"%s is in another namespace, and no ReferenceGrant there permits %s of namespace %s to refer to it",
			describe(target), route.Kind, route.Namespace)
	}
	if isBackend {
		object, ok := t.objects.backends[target.Name]
		if !ok {
			return nil, backendProblemNotFound(target)
		}
		b := t.staticBackend(object, how)
		return b, b.problem
	}
	service, ok := t.objects.services[target.Name]
	if !ok {
		return nil, backendProblemNotFound(target)
	}
	if ref.Port == nil {
		return nil, problemf(string(gatewayv1.RouteReasonBackendNotFound),
			"%s: a port is required, one of %s", describe(target), portList(service))
	}
	b := t.servicePort(service, *ref.Port, how)
	return b, b.problem
}

// backendTarget fills in the defaults of a backendRef.
func backendTarget(namespace string, ref *gatewayv1.BackendObjectReference) ir.Ref {
	target := ir.Ref{Group: groupCore, Kind: kindService, Name: ir.Name{Namespace: namespace, Name: string(ref.Name)}}
	if ref.Group != nil {
		target.Group = string(*ref.Group)
	}
	if ref.Kind != nil && *ref.Kind != "" {
		target.Kind = string(*ref.Kind)
	}
	if ref.Namespace != nil && *ref.Namespace != "" {
		target.Namespace = string(*ref.Namespace)
	}
	return target
}
