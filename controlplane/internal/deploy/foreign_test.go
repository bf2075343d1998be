package deploy_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// otherGateways has what belongs to Gateways, and yet is not ours, in the way.
func (w *world) otherGateways(t *testing.T) {
	const gatewayAPI = "gateway.networking.k8s.io/v1"
	ours := map[string]string{contract.LabelManagedBy: contract.ProxyManager, contract.LabelName: contract.ProxyApp}
	for name, test := range map[string]struct {
		apiVersion string
		// same has it belong to this very Gateway.
		same   bool
		labels map[string]string
		want   string
	}{
		"other-group":      {apiVersion: "networking.istio.io/v1", labels: ours, want: "does not belong to Gateway"},
		"other-controller": {apiVersion: gatewayAPI, want: "does not belong to Gateway"},
		"other-class": {
			apiVersion: gatewayAPI, same: true, labels: map[string]string{contract.LabelManagedBy: "other"},
			want: "another controller has made it for Gateway",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.gateway(t, name, "{}")
			uid := types.UID("00000000-0000-0000-0000-000000000000")
			if test.same {
				uid = types.UID(s.UID)
			}
			theirs := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: s.Gateway.Namespace, Name: name, Labels: test.labels,
					OwnerReferences: []metav1.OwnerReference{{
						APIVersion: test.apiVersion, Kind: "Gateway", Name: name, UID: uid, Controller: ptr.To(true),
					}},
				},
				Spec: corev1.ServiceSpec{Selector: map[string]string{"theirs": "yes"}, Ports: []corev1.ServicePort{{Port: 80}}},
			}
			if err := w.Create(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			w.want(s)
			w.problem(t, s, "Service "+s.Gateway.Namespace+"/"+name+" is in the way", test.want)
			if _, err := get[*appsv1.Deployment](t, w, s); !apierrors.IsNotFound(err) {
				t.Errorf("there are pods that nobody reaches: %v", err)
			}
			after := &corev1.Service{}
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(theirs), after); err != nil || after.ResourceVersion != theirs.ResourceVersion {
				t.Errorf("it was touched: %v", err)
			}
			if err := w.Delete(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			w.deployed(t, s)
			w.unwant(s.Gateway)
			w.gone(t, s)
		})
	}
}
