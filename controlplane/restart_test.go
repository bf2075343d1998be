package controlplane_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// restart stops the controller and starts another one.
func (w *world) restart(t *testing.T) {
	// What Envoy rejects is not taken for accepted until Envoy has said so again.
	w.namespace(t, "refused")
	w.apply(t, backendManifest, "refused", "bad", w.backend.Port)
	w.apply(t, configPolicyManifest, "refused", "bad", "/does/not/exist.crt")
	w.apply(t, routeManifest, "refused", "bad", "infra")
	eventually(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "refused", "bad", func(o *v1alpha1.BackendConfigPolicy) error {
		return says(ofAncestor(o.Status), "Accepted", metav1.ConditionFalse, "Invalid", "/does/not/exist.crt")
	})
	gateway := eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		return says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "Invalid", "/does/not/exist.crt")
	})
	since := meta.FindStatusCondition(gateway.Status.Conditions, "Programmed")
	w.settle(t)
	before, updates := w.versions(t), w.updates(t)
	w.stop()
	expect(t, w.port, "one.all.example", http.StatusOK)
	w.stop = w.run(t, func(o *controlplane.Options) { o.Log = o.Log.WithName("second") })
	envoytest.Eventually(t, patient, func() error {
		if w.envoy.Stat(t, "control_plane.connected_state") != 1 {
			return fmt.Errorf("Envoy has not connected again")
		}
		return nil
	})
	// A change that Envoy gets proves that it has had whatever came before.
	w.apply(t, routeManifest, "all", "again", "infra")
	w.apply(t, backendManifest, "all", "again", w.backend.Port)
	w.apply(t, policyManifest, "all", "again")
	expect(t, w.port, "again.all.example", http.StatusOK)
	w.settle(t)
	after := w.versions(t)
	for _, added := range []string{"HTTPRoute all/again", "Backend all/again", "BackendTLSPolicy all/again", "Gateway infra/http"} {
		delete(after, added)
	}
	delete(before, "Gateway infra/http")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("objects were written (-before +after):\n%s", diff)
	}
	gateway = fetch(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http")
	if now := meta.FindStatusCondition(gateway.Status.Conditions, "Programmed"); !now.LastTransitionTime.Equal(&since.LastTransitionTime) || now.Message != since.Message {
		t.Errorf("Programmed was %+v, and is %+v", since, now)
	}
	// One is new, and one it has rejected: it tries that again, and counts it.
	updates["cluster_manager.cluster_added"] += 2
	if diff := cmp.Diff(updates, w.updates(t)); diff != "" {
		t.Errorf("Envoy was sent more than two clusters (-want +got):\n%s", diff)
	}
	w.stop()
}
