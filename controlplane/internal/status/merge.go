package status

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// merger makes the status that an object must get from the one that it has.
type merger struct {
	controller gatewayv1.GatewayController
	now        metav1.Time
	// keepRefused is wanted's.
	keepRefused bool
}

// write is what goes to the API server: a server-side apply of the
// controller's own fields, or, where a list is atomic, a merge patch of the
// whole list. Both name the resource version that was read.
type write struct {
	method types.PatchType
	status any
}

// merge compares the status of object with what is wanted, nil meaning that
// the controller has nothing to say. It is false when nothing is to be
// written.
func (m merger) merge(object client.Object, wanted *Object) (write, bool) {
	if wanted == nil {
		wanted = &Object{}
	}
	m.keepRefused = wanted.KeepRefused
	w := write{method: types.ApplyPatchType}
	changed := false
	switch o := object.(type) {
	case *gatewayv1.GatewayClass:
		w.status, changed = m.conditioned(o, conditioned{o.Status.Conditions, o.Status.SupportedFeatures}, wanted)
	case *v1alpha1.Backend:
		w.status, changed = m.conditioned(o, conditioned{Conditions: o.Status.Conditions}, wanted)
	case *gatewayv1.Gateway:
		w.status, changed = m.gateway(o, wanted)
	case *gatewayv1.ListenerSet:
		w.status, changed = m.listenerSet(o, wanted)
	case *gatewayv1.HTTPRoute:
		w.method = types.MergePatchType
		w.status, changed = m.route(o.Status.RouteStatus, wanted)
	case *gatewayv1.GRPCRoute:
		w.method = types.MergePatchType
		w.status, changed = m.route(o.Status.RouteStatus, wanted)
	case *gatewayv1.TLSRoute:
		w.method = types.MergePatchType
		w.status, changed = m.route(o.Status.RouteStatus, wanted)
	case *gatewayv1.BackendTLSPolicy:
		w.method = types.MergePatchType
		w.status, changed = m.policy(o.Status, wanted)
	case *v1alpha1.BackendConfigPolicy:
		w.method = types.MergePatchType
		w.status, changed = m.policy(o.Status, wanted)
	}
	return w, changed
}

// body is the patch for object, which must be at the resource version that the
// cache has: a status never overwrites what the controller has not seen.
func (w write) body(ref ir.Ref, object client.Object) ([]byte, error) {
	gvk := versionOf(ref)
	metadata := map[string]any{"name": object.GetName(), "resourceVersion": object.GetResourceVersion()}
	if object.GetNamespace() != "" {
		metadata["namespace"] = object.GetNamespace()
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind, "metadata": metadata, "status": w.status,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the status of %s %s: %w", ref.Kind, ref.Name, err)
	}
	return body, nil
}

// RefOf names object. It is false for kinds whose status is not written.
func RefOf(object client.Object) (ir.Ref, bool) {
	ref := ir.Ref{Group: gatewayv1.GroupName, Name: ir.Name{Namespace: object.GetNamespace(), Name: object.GetName()}}
	switch object.(type) {
	case *gatewayv1.GatewayClass:
		ref.Kind = gatewayClassKind
	case *gatewayv1.Gateway:
		ref.Kind = gatewayKind
	case *gatewayv1.ListenerSet:
		ref.Kind = listenerSetKind
	case *gatewayv1.HTTPRoute:
		ref.Kind = httpRouteKind
	case *gatewayv1.GRPCRoute:
		ref.Kind = grpcRouteKind
	case *gatewayv1.TLSRoute:
		ref.Kind = tlsRouteKind
	case *gatewayv1.BackendTLSPolicy:
		ref.Kind = backendTLSPolicyKind
	case *v1alpha1.Backend:
		ref.Group, ref.Kind = v1alpha1.GroupName, backendKind
	case *v1alpha1.BackendConfigPolicy:
		ref.Group, ref.Kind = v1alpha1.GroupName, backendConfigPolicyKind
	default:
		return ir.Ref{}, false
	}
	return ref, true
}
