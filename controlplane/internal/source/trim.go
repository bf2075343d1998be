package source

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// trim drops what no translation reads before an object enters a cache, so
// that memory grows with what the controller serves and not with what else a
// cluster keeps in its Secrets and ConfigMaps. Informers own the object that
// they pass, so it is changed in place.
func trim(in any) (any, error) {
	object, ok := in.(client.Object)
	if !ok {
		// A tombstone of a deletion that was missed.
		return in, nil
	}
	object.SetManagedFields(ownManagedFields(object.GetManagedFields()))
	if annotations := object.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		kept := maps.Clone(annotations)
		delete(kept, corev1.LastAppliedConfigAnnotation)
		object.SetAnnotations(kept)
	}
	switch o := object.(type) {
	case *corev1.Secret:
		o.Data = only(o.Data, corev1.TLSCertKey, corev1.TLSPrivateKeyKey, contract.CAKey)
		o.StringData = nil
	case *corev1.ConfigMap:
		trimConfigMap(o)
	case *corev1.Service:
		if o.Labels[contract.LabelGatewayName] == "" {
			o.Status = corev1.ServiceStatus{}
		} else {
			// It is the address of a Gateway.
			o.Status = corev1.ServiceStatus{LoadBalancer: o.Status.LoadBalancer}
		}
	case *corev1.Namespace:
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	case *discoveryv1.EndpointSlice:
		for i := range o.Endpoints {
			e := &o.Endpoints[i]
			e.TargetRef, e.Hints, e.NodeName, e.DeprecatedTopology = nil, nil, nil, nil
		}
	}
	return object, nil
}

// trimConfigMap keeps the bundle that policies can name. Of another key that
// could hold the system bundle of a Gateway's proxies, it keeps the digest.
func trimConfigMap(o *corev1.ConfigMap) {
	data, binary := only(o.Data, contract.CAKey), only(o.BinaryData, contract.CAKey)
	for key, value := range o.Data {
		if digest := snapshot.Digest(value); digest != "" && key != contract.CAKey {
			data = with(data, key, digest)
		}
	}
	for key, value := range o.BinaryData {
		if digest := snapshot.Digest(string(value)); digest != "" && key != contract.CAKey {
			binary = with(binary, key, []byte(digest))
		}
	}
	o.Data, o.BinaryData = data, binary
}

func with[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

// ownManagedFields keeps what the controller has applied to a status: the
// status writer takes back from it what no longer holds.
func ownManagedFields(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var own []metav1.ManagedFieldsEntry
	for _, e := range entries {
		if e.Manager == contract.StatusFieldManager && e.Operation == metav1.ManagedFieldsOperationApply {
			own = append(own, e)
		}
	}
	return own
}

// only copies the wanted keys. The values of dropped keys must become
// unreachable, so the map is a new one.
func only[V any](data map[string]V, keys ...string) map[string]V {
	var kept map[string]V
	for _, key := range keys {
		value, found := data[key]
		if !found {
			continue
		}
		if kept == nil {
			kept = make(map[string]V, len(keys))
		}
		kept[key] = value
	}
	return kept
}
