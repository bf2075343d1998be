package controlplane_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// TestDeletionsAreNeverInPlaintext: who deletes what leads to a backend, or the
// backend, and then its policy asks for no plaintext, though the policy is seen
// to go first. Nor does it matter whether the policy was valid to the end.
func TestDeletionsAreNeverInPlaintext(t *testing.T) {
	c := startCluster(t)
	c.controller.Wrap(late("httproutes", "backends", "gateways"))
	ca := envoytest.NewCA(t, "backends")
	backend := envoytest.StartBackend(t, "backend", ca.Issue(t, []string{"example.com"}, nil))
	c.run(t)
	port := envoytest.FreePort(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", port)
	c.envoy(t, "infra", "http")

	const rounds = 5
	for i := range rounds {
		for _, gone := range []struct {
			what   string
			remove func(namespace, host string)
			code   int
		}{
			{"route", func(namespace, _ string) { c.remove(t, routeManifest, namespace, "app", "infra") }, http.StatusNotFound},
			{"backend", func(namespace, _ string) { c.remove(t, backendManifest, namespace, "app", backend.Port) }, http.StatusInternalServerError},
			{"ca-and-route", func(namespace, host string) {
				c.remove(t, caManifest, namespace, string(ca.PEM))
				expect(t, port, host, http.StatusInternalServerError)
				c.remove(t, routeManifest, namespace, "app", "infra")
			}, http.StatusNotFound},
		} {
			namespace := fmt.Sprintf("%s-%d", gone.what, i)
			host := "app." + namespace + ".example"
			c.apply(t, namespaceManifest+"\n---\n"+caManifest, namespace, string(ca.PEM))
			c.apply(t, backendManifest, namespace, "app", backend.Port)
			c.apply(t, policyManifest, namespace, "app")
			c.apply(t, routeManifest, namespace, "app", "infra")
			expect(t, port, host, http.StatusOK)
			stop := flood(t, port, host)
			gone.remove(namespace, host)
			c.remove(t, policyManifest, namespace, "app")
			expect(t, port, host, gone.code)
			for code, n := range stop() {
				if code != http.StatusOK && code != http.StatusInternalServerError && code != gone.code {
					t.Errorf("%s: %d answers are %d", namespace, n, code)
				}
			}
		}
	}
	if _, plain := backend.Counts(); plain > 0 {
		t.Errorf("the backend got %d plaintext requests", plain)
	}
}
