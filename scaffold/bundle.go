package scaffold

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// BundleCopy is the object with the copied CA, of the kind that the policy can
// refer to: a ConfigMap for a BackendTLSPolicy, a Secret for a
// BackendConfigPolicy. Its annotation says where the copy came from.
func (s *Spec) BundleCopy() client.Object {
	meta := s.meta(s.BundleName())
	meta.Annotations = map[string]string{contract.AnnotationCASource: s.Trust.Source}
	if s.Policy == BackendConfigPolicy {
		return &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: meta,
			Type:       corev1.SecretTypeOpaque,
			Data:       map[string][]byte{contract.CAKey: s.Trust.Bundle},
		}
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta,
		Data:       map[string]string{contract.CAKey: string(s.Trust.Bundle)},
	}
}
