package translate

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// TestBundleOfAnUnusedPolicy: its status changes when the bundle expires, so
// somebody must know of it.
func TestBundleOfAnUnusedPolicy(t *testing.T) {
	t.Parallel()
	policy := &gatewayv1.BackendTLSPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "unused"}}
	policy.Spec.Validation = gatewayv1.BackendTLSPolicyValidation{
		Hostname:          "example.com",
		CACertificateRefs: []gatewayv1.LocalObjectReference{{Kind: kindConfigMap, Name: "ca"}},
	}
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "ca"},
		Data:       map[string]string{contract.CAKey: string(envoytest.NewCA(t, "ca").PEM)},
	}
	s, err := snapshot.New([]client.Object{policy, configMap})
	if err != nil {
		t.Fatal(err)
	}
	result := Translate(s, Options{Now: time.Now()})
	if len(result.TrustBundles) != 1 || result.TrustBundles[0].Name != "trust/default/configmap/ca" {
		t.Errorf("trust bundles: %+v", result.TrustBundles)
	}
}
