package source

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

func TestTrim(t *testing.T) {
	t.Parallel()
	applied := metav1.ManagedFieldsEntry{Manager: contract.StatusFieldManager, Operation: metav1.ManagedFieldsOperationApply}
	clutter := metav1.ObjectMeta{
		Name:        "o",
		Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "kept": "yes"},
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply}, applied,
			{Manager: contract.StatusFieldManager, Operation: metav1.ManagedFieldsOperationUpdate},
		},
	}
	tidy := metav1.ObjectMeta{
		Name: "o", Annotations: map[string]string{"kept": "yes"}, ManagedFields: []metav1.ManagedFieldsEntry{applied},
	}
	const digest = "sha256:ddddb6cbd348658f02fa6c8a46b6f51cf6b6bbe22d54fc6a4f0e3b3f59c5d012"
	address := corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}}
	for _, test := range []struct {
		name     string
		in, want client.Object
	}{
		{
			"Secret",
			&corev1.Secret{ObjectMeta: clutter, Data: map[string][]byte{"ca.crt": {1}, "tls.crt": {2}, "tls.key": {3}, "password": {4}}},
			&corev1.Secret{ObjectMeta: tidy, Data: map[string][]byte{"ca.crt": {1}, "tls.crt": {2}, "tls.key": {3}}},
		},
		{
			"ConfigMap",
			&corev1.ConfigMap{ObjectMeta: clutter, Data: map[string]string{"ca.crt": "pem", "big": "…"}, BinaryData: map[string][]byte{"b": {1}}},
			&corev1.ConfigMap{ObjectMeta: tidy, Data: map[string]string{"ca.crt": "pem"}},
		},
		{
			"ConfigMap with a bundle in binaryData",
			&corev1.ConfigMap{ObjectMeta: clutter, BinaryData: map[string][]byte{"ca.crt": {1}, "b": {1}}},
			&corev1.ConfigMap{ObjectMeta: tidy, BinaryData: map[string][]byte{"ca.crt": {1}}},
		},
		{
			"ConfigMap with other bundles",
			&corev1.ConfigMap{ObjectMeta: clutter, Data: map[string]string{"a.pem": "-----BEGIN CERTIFICATE-----"}, BinaryData: map[string][]byte{"b.pem": []byte("-----BEGIN CERTIFICATE-----")}},
			&corev1.ConfigMap{ObjectMeta: tidy, Data: map[string]string{"a.pem": digest}, BinaryData: map[string][]byte{"b.pem": []byte(digest)}},
		},
		{
			"Service of a Gateway",
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{contract.LabelGatewayName: "http"}},
				Status:     corev1.ServiceStatus{Conditions: []metav1.Condition{{Type: "T"}}, LoadBalancer: address},
			},
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{contract.LabelGatewayName: "http"}},
				Status:     corev1.ServiceStatus{LoadBalancer: address},
			},
		},
		{
			"ConfigMap without a bundle",
			&corev1.ConfigMap{ObjectMeta: clutter, Data: map[string]string{"big": "…"}},
			&corev1.ConfigMap{ObjectMeta: tidy},
		},
		{
			"Service",
			&corev1.Service{
				ObjectMeta: clutter, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}},
				Status: corev1.ServiceStatus{Conditions: []metav1.Condition{{Type: "T"}}},
			},
			&corev1.Service{ObjectMeta: tidy, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			annotations := test.in.GetAnnotations()
			got, err := trim(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if annotations != nil && annotations[corev1.LastAppliedConfigAnnotation] == "" {
				t.Error("a map that others may share was changed")
			}
		})
	}
	tombstone := toolscache.DeletedFinalStateUnknown{Key: "a/b"}
	if got, err := trim(tombstone); err != nil || got != tombstone {
		t.Errorf("a tombstone became %v, %v", got, err)
	}
}
