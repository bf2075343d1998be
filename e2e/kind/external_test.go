//go:build e2e

package kind

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// externalHost is the host of the guide's external route.
const externalHost = "httpbin-external.example"

// anything is what httpbin.org says, as far as the guide shows it.
type anything struct {
	Headers map[string]string
	Method  string
	URL     string
}

// TestExternal walks through the guide's external part, by its own commands,
// and then has the plugin do the same.
func TestExternal(t *testing.T) {
	s := shared(t)
	s.standIn(t)
	for _, kind := range []struct{ name, reason string }{{"BackendConfigPolicy", "Valid"}, {"BackendTLSPolicy", "Accepted"}} {
		resource := strings.ToLower(kind.name)
		t.Run(kind.name, func(t *testing.T) {
			s.applyGuide(t, "external-backend", "external-"+resource, "external-httproute")
			s.awaitCondition(t, ancestors, "Accepted", "True", kind.reason, resource, "httpbin-org")
			s.externalAnswers(t)
			s.wantVerdict(t, "backend/httpbin-org", "Verified")
			s.command(t, "kubectl delete httproute httpbin-org")
			s.command(t, "kubectl delete "+resource+" httpbin-org")
			s.command(t, "kubectl delete backend httpbin-org")
			s.await(t, soon, externalHost, "/anything", http.StatusNotFound)
		})
	}
	t.Run("Originate", func(t *testing.T) {
		before := s.names(t, originates)
		ran := s.ok(t, "originate", "host/"+site, "--system-ca", "--expose", externalHost, "--path-prefix", "/anything")
		says(t, ran, "backend.gateway.kgateway.dev/httpbin-org created", "httproute")
		s.externalAnswers(t)
		s.wantVerdict(t, "backend/httpbin-org", "Verified")
		s.ok(t, "remove", "host/"+site)
		if diff := cmp.Diff(before, s.names(t, originates)); diff != "" {
			t.Errorf("after remove (-before originate +now):\n%s", diff)
		}
		s.await(t, soon, externalHost, "/anything", http.StatusNotFound)
	})
}

// originates are the kinds that originate may write.
const originates = "configmaps,secrets,services,backends,backendtlspolicies,backendconfigpolicies,httproutes"

// externalAnswers asks as the guide's curl command does.
func (s *suite) externalAnswers(t *testing.T) {
	t.Helper()
	answer := s.await(t, soon, externalHost, "/anything", http.StatusOK)
	var said anything
	if err := json.Unmarshal([]byte(answer.Body), &said); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	if said.Headers["Host"] != site || said.URL != "https://"+site+"/anything" || said.Method != http.MethodGet {
		t.Errorf("the site saw %+v, want the host to be rewritten to %s", said, site)
	}
}
