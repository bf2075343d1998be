package scaffold

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// backend is the Backend of a host target.
func (s *Spec) backend() client.Object {
	return &v1alpha1.Backend{
		TypeMeta: metav1.TypeMeta{
			APIVersion: v1alpha1.SchemeGroupVersion().String(),
			Kind:       v1alpha1.KindBackend,
		},
		ObjectMeta: s.meta(s.BackendName()),
		Spec: v1alpha1.BackendSpec{
			Type: v1alpha1.BackendTypeStatic,
			Static: &v1alpha1.StaticBackend{
				Hosts: []v1alpha1.Host{{Host: s.Target.Name, Port: s.Target.Port}},
			},
		},
	}
}
