package source

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// relevant tells whether a translation could tell the two versions of an
// object apart. Writes of status are not relevant, in particular our own, but
// for the address of a Gateway's Service, and for how much room others leave in
// the status of a policy.
func relevant(before, after client.Object) bool {
	switch {
	case before.GetUID() != after.GetUID(),
		before.GetGeneration() != after.GetGeneration(),
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero(),
		!maps.Equal(before.GetLabels(), after.GetLabels()),
		!maps.Equal(before.GetAnnotations(), after.GetAnnotations()),
		others(before) != others(after):
		return true
	}
	switch a := after.(type) {
	case *corev1.Service:
		b, ok := before.(*corev1.Service)
		// Only where it is an address of a Gateway has trim left a status.
		return !ok || !equality.Semantic.DeepEqual(b.Spec, a.Spec) || !equality.Semantic.DeepEqual(b.Status, a.Status)
	case *corev1.Secret:
		b, ok := before.(*corev1.Secret)
		return !ok || b.Type != a.Type || !maps.EqualFunc(b.Data, a.Data, slices.Equal)
	case *corev1.ConfigMap:
		b, ok := before.(*corev1.ConfigMap)
		return !ok || !maps.Equal(b.Data, a.Data) || !maps.EqualFunc(b.BinaryData, a.BinaryData, slices.Equal)
	case *discoveryv1.EndpointSlice:
		b, ok := before.(*discoveryv1.EndpointSlice)
		return !ok || b.AddressType != a.AddressType ||
			!equality.Semantic.DeepEqual(b.Endpoints, a.Endpoints) || !equality.Semantic.DeepEqual(b.Ports, a.Ports)
	}
	// The other kinds count their generation up when their spec changes.
	return false
}

// others counts the entries of other controllers in the status of a policy.
func others(object client.Object) int {
	var entries []gatewayv1.PolicyAncestorStatus
	switch o := object.(type) {
	case *gatewayv1.BackendTLSPolicy:
		entries = o.Status.Ancestors
	case *v1alpha1.BackendConfigPolicy:
		entries = o.Status.Ancestors
	}
	count := 0
	for i := range entries {
		if entries[i].ControllerName != contract.ControllerName {
			count++
		}
	}
	return count
}
