package installation

import (
	"strings"
	"testing"
)

// An API server that lacks a kind, as those before 1.30 do, gets nothing.
func TestTooOldACluster(t *testing.T) {
	t.Parallel()
	_, clients := newClusterWith(t, map[string]string{
		"runtime-config":            "admissionregistration.k8s.io/v1=false",
		"disable-admission-plugins": "ValidatingAdmissionPolicy,MutatingAdmissionPolicy,ValidatingAdmissionWebhook,MutatingAdmissionWebhook,ServiceAccount",
	})
	_, err := Prepare(t.Context(), clients, Options{Image: "example.com/tlsgw:1"})
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"the cluster is Kubernetes v1.", "ValidatingAdmissionPolicy", "needs Kubernetes 1.30 or later", "--context", Unchanged} {
		if !strings.Contains(errorText(err), want) {
			t.Errorf("it says %q, and lacks %q", errorText(err), want)
		}
	}
	if there := state(t, clients); len(there) > 0 {
		t.Errorf("it has made %v", there)
	}
}
