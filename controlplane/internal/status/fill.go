package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// Fill gives a copy of object, the subject of wanted, with the status that a
// Writer would write.
func Fill(object client.Object, wanted Object, controllerName string, now time.Time) client.Object {
	m := merger{controller: gatewayv1.GatewayController(controllerName), now: metav1.NewTime(now)}
	w, _ := m.merge(object, &wanted)
	filled, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return object
	}
	switch o := filled.(type) {
	case *gatewayv1.GatewayClass:
		fillIn(w.status, func(s conditioned) {
			o.Status.Conditions, o.Status.SupportedFeatures = s.Conditions, s.SupportedFeatures
		})
	case *v1alpha1.Backend:
		fillIn(w.status, func(s conditioned) { o.Status.Conditions = s.Conditions })
	case *gatewayv1.Gateway:
		fillIn(w.status, func(s gatewayv1.GatewayStatus) { o.Status = s })
	case *gatewayv1.ListenerSet:
		fillIn(w.status, func(s gatewayv1.ListenerSetStatus) { o.Status = s })
	case *gatewayv1.HTTPRoute:
		fillIn(w.status, func(s gatewayv1.RouteStatus) { o.Status.RouteStatus = s })
	case *gatewayv1.GRPCRoute:
		fillIn(w.status, func(s gatewayv1.RouteStatus) { o.Status.RouteStatus = s })
	case *gatewayv1.TLSRoute:
		fillIn(w.status, func(s gatewayv1.RouteStatus) { o.Status.RouteStatus = s })
	case *gatewayv1.BackendTLSPolicy:
		fillIn(w.status, func(s gatewayv1.PolicyStatus) { o.Status = s })
	case *v1alpha1.BackendConfigPolicy:
		fillIn(w.status, func(s gatewayv1.PolicyStatus) { o.Status = s })
	}
	return filled
}

func fillIn[T any](status any, set func(T)) {
	if s, ok := status.(T); ok {
		set(s)
	}
}
