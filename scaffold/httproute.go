package scaffold

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// httpRoute exposes the backend under a hostname of a Gateway. A host outside
// of the cluster only answers to its own name, so that requests to it are
// rewritten to that name.
func (s *Spec) httpRoute() client.Object {
	rule := gatewayv1.HTTPRouteRule{BackendRefs: []gatewayv1.HTTPBackendRef{{
		BackendRef: gatewayv1.BackendRef{BackendObjectReference: s.routeTarget()},
	}}}
	if s.Route.PathPrefix != "" {
		prefix := gatewayv1.PathMatchPathPrefix
		rule.Matches = []gatewayv1.HTTPRouteMatch{{
			Path: &gatewayv1.HTTPPathMatch{Type: &prefix, Value: &s.Route.PathPrefix},
		}}
	}
	if s.Target.IsName() {
		hostname := gatewayv1.PreciseHostname(s.Target.Name)
		rule.Filters = []gatewayv1.HTTPRouteFilter{{
			Type:       gatewayv1.HTTPRouteFilterURLRewrite,
			URLRewrite: &gatewayv1.HTTPURLRewriteFilter{Hostname: &hostname},
		}}
	}
	return &gatewayv1.HTTPRoute{
		TypeMeta: metav1.TypeMeta{
			APIVersion: gatewayv1.GroupVersion.String(),
			Kind:       "HTTPRoute",
		},
		ObjectMeta: s.meta(s.RouteName()),
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{s.parent()}},
			Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(s.Route.Hostname)},
			Rules:           []gatewayv1.HTTPRouteRule{rule},
		},
	}
}

func (s *Spec) parent() gatewayv1.ParentReference {
	parent := gatewayv1.ParentReference{Name: gatewayv1.ObjectName(s.Route.GatewayName)}
	namespace := gatewayv1.Namespace(s.Route.GatewayNamespace)
	if s.Route.ListenerSetName != "" {
		kind := gatewayv1.Kind("ListenerSet")
		parent.Kind, parent.Name = &kind, gatewayv1.ObjectName(s.Route.ListenerSetName)
		namespace = gatewayv1.Namespace(s.Route.ListenerSetNamespace)
	}
	if string(namespace) != s.Namespace {
		parent.Namespace = &namespace
	}
	return parent
}

func (s *Spec) routeTarget() gatewayv1.BackendObjectReference {
	if s.Target.Kind == Service {
		port := s.Route.ServicePort
		return gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(s.Target.Name), Port: &port}
	}
	group, kind := gatewayv1.Group(v1alpha1.GroupName), gatewayv1.Kind(v1alpha1.KindBackend)
	return gatewayv1.BackendObjectReference{Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(s.BackendName())}
}
