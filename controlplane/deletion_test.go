package controlplane_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// TestDeletionsAreNeverInPlaintext: who deletes a route, or a backend, and then
// its policy asks for no plaintext, though the policy is seen to go first.
func TestDeletionsAreNeverInPlaintext(t *testing.T) {
	c := startCluster(t)
	c.controller.Wrap(late("httproutes", "backends"))
	ca := envoytest.NewCA(t, "backends")
	backend := envoytest.StartBackend(t, "backend", ca.Issue(t, []string{"example.com"}, nil))
	c.run(t)
	port := envoytest.FreePort(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", port)
	c.apply(t, namespaceManifest+"\n---\n"+caManifest, "going", string(ca.PEM))
	c.envoy(t, "infra", "http")

	const rounds = 5
	for i := range rounds {
		for _, gone := range []struct {
			what, manifest string
			with           any
			code           int
		}{
			{"route", routeManifest, "infra", http.StatusNotFound},
			{"backend", backendManifest, backend.Port, http.StatusInternalServerError},
		} {
			name := fmt.Sprintf("%s-%d", gone.what, i)
			host := name + ".going.example"
			c.apply(t, backendManifest, "going", name, backend.Port)
			c.apply(t, policyManifest, "going", name)
			c.apply(t, routeManifest, "going", name, "infra")
			expect(t, port, host, http.StatusOK)
			stop := flood(t, port, host)
			c.remove(t, gone.manifest, "going", name, gone.with)
			c.remove(t, policyManifest, "going", name)
			expect(t, port, host, gone.code)
			for code, n := range stop() {
				if code != http.StatusOK && code != gone.code {
					t.Errorf("%s: %d answers are %d, want 200 and then %d", name, n, code, gone.code)
				}
			}
		}
	}
	if _, plain := backend.Counts(); plain > 0 {
		t.Errorf("the backend got %d plaintext requests", plain)
	}
}

// flood sends requests one after the other until it is stopped, which tells how
// often each status came.
func flood(t *testing.T, port uint16, host string) (stop func() map[int]int) {
	t.Helper()
	codes := map[int]int{}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stopped:
				return
			default:
			}
			if code, _, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port), host); err == nil {
				codes[code]++
			}
		}
	})
	return func() map[int]int {
		close(stopped)
		running.Wait()
		return codes
	}
}
