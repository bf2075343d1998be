package controlplane_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const connectionPolicyManifest = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[2]s}]
  tls: {insecureSkipVerify: true}
  connectTimeout: 2s
  outlierDetection: {}
  circuitBreakers: {maxConnections: %[3]d}
  healthCheck: {timeout: 2s, interval: 30s, unhealthyThreshold: 3, healthyThreshold: 1, http: {path: /healthz}}
  loadBalancer: {leastRequest: {choiceCount: %[4]d}}`

// TestConnectionSettings: a BackendConfigPolicy beside a BackendTLSPolicy, with
// the schema's defaults, reaches Envoy; its status says what of it holds; and
// no request fails while it changes.
func TestConnectionSettings(t *testing.T) {
	c := startCluster(t)
	w := &world{cluster: c, port: envoytest.FreePort(t), trust: envoytest.NewCA(t, "backends")}
	w.backend = envoytest.StartBackend(t, "backend", w.trust.Issue(t, []string{"example.com"}, nil))
	w.stop = c.run(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", w.port)
	w.envoy = c.envoy(t, "infra", "http")
	w.namespace(t, "tuned")
	w.apply(t, connectionPolicyManifest, "tuned", "one", 10, 2)
	w.backed(t, "tuned", "one")
	expect(t, w.port, "one.tuned.example", http.StatusOK)
	w.policySays(t, v1alpha1.PolicyReasonValid, "the policy is valid")
	live := w.liveCluster(t)
	for _, want := range []string{
		`"connect_timeout":"2s"`, `"max_connections":10`, `"consecutive_5xx":5`, `"max_ejection_percent":10`, `"path":"/healthz"`,
		`"host":"example.com"`, `"choice_count":2`, `"sni":"example.com"`,
	} {
		if !strings.Contains(live, want) {
			t.Errorf("the live cluster lacks %s: %s", want, live)
		}
	}
	stop := flood(t, w.port, "one.tuned.example")
	for n := 11; n < 16; n++ {
		// The schema takes one choice, and Envoy does not.
		w.apply(t, connectionPolicyManifest, "tuned", "one", n, 1)
		envoytest.Eventually(t, patient, func() error {
			if live := w.liveCluster(t); !strings.Contains(live, fmt.Sprintf(`"max_connections":%d`, n)) {
				return fmt.Errorf("Envoy has %s", live)
			}
			return nil
		})
		w.policySays(t, v1alpha1.PolicyReasonPartiallyValid, "spec.loadBalancer.leastRequest.choiceCount: 1 is not")
	}
	if codes := stop(); len(codes) != 1 || codes[http.StatusOK] == 0 {
		t.Errorf("answers by status are %v, want only 200", codes)
	}
	if _, plain := w.backend.Counts(); plain != 0 {
		t.Errorf("%d requests or probes were in plaintext", plain)
	}
}

func (w *world) policySays(t *testing.T, accepted string, part string) {
	t.Helper()
	eventually(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "tuned", "one", func(o *v1alpha1.BackendConfigPolicy) error {
		conditions := ofAncestor(o.Status)
		if err := says(conditions, v1alpha1.PolicyConditionAccepted, metav1.ConditionTrue, accepted, part); err != nil {
			return err
		}
		return says(conditions, v1alpha1.PolicyConditionAttached, metav1.ConditionTrue, v1alpha1.PolicyReasonMerged,
			"spec.tls is overridden on Backend tuned/one by BackendTLSPolicy tuned/one")
	})
}

// liveCluster is what Envoy runs for the Backend, as JSON without spaces.
func (w *world) liveCluster(t *testing.T) string {
	t.Helper()
	var dump struct {
		Configs []struct{ Cluster json.RawMessage }
	}
	if err := json.Unmarshal(w.envoy.Admin(t, "/config_dump?resource=dynamic_active_clusters"), &dump); err != nil {
		t.Fatal(err)
	}
	newest := ""
	for _, config := range dump.Configs {
		compact := strings.Join(strings.Fields(string(config.Cluster)), "")
		if strings.Contains(compact, `"alt_stat_name":"backend_tuned_one_0"`) {
			newest += compact
		}
	}
	return newest
}
