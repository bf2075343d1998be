//go:build e2e

package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/verdict"
)

// TestVerify looks at what a person and a program see of one good and one bad
// backend.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := shared(t)
	namespace := s.namespace(t, "verify")
	good := s.app(t, namespace, "good")
	good.start(t)
	bad := s.appWith(t, namespace, "bad", s.leaf(t, "other.example"))
	for _, name := range []string{"service", "ca", "policy", "route"} {
		bad.apply(t, name)
	}
	s.awaitSeen(t, bad)

	t.Run("Table", func(t *testing.T) {
		t.Parallel()
		wantTable(t, s.Run(t.Context(), "verify", "-n", namespace))
	})
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		got, ran := s.verify(t, namespace)
		if ran.Code != 1 || got.Summary.Verified != 1 || got.Summary.Failed != 1 || len(got.Results) != 2 {
			t.Errorf("want one of each: %s", ran)
		}
		wantGood(t, good, s.wantVerdict(t, namespace, "svc/good", "Verified"))
	})
	t.Run("YAML", func(t *testing.T) {
		t.Parallel()
		ran := s.Run(t.Context(), "verify", "-n", namespace, "-o", "yaml")
		asJSON, err := yaml.YAMLToJSON([]byte(ran.Stdout))
		var got verdict.Report
		if err == nil {
			err = json.Unmarshal(asJSON, &got)
		}
		if err != nil || len(got.Results) != 2 {
			t.Errorf("-o yaml: %v: %s", err, ran)
		}
	})
	t.Run("Verbose", func(t *testing.T) {
		t.Parallel()
		ran := s.ok(t, "verify", "svc/good", "-n", namespace, "-v")
		if !strings.Contains(ran.Stderr, "curl") || !strings.Contains(ran.Stderr, good.host) {
			t.Errorf("-v does not show the equivalent curl command: %s", ran)
		}
	})
	t.Run("ExpectStatus", func(t *testing.T) {
		t.Parallel()
		s.wantVerdict(t, namespace, "svc/good", "UnexpectedStatus", "--expect-status", "201")
		s.wantVerdict(t, namespace, "svc/good", "Verified", "--expect-status", "200", "--requests", "5")
	})
	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		ran := s.Run(t.Context(), "verify", "svc/nowhere", "-n", namespace)
		if ran.Code != 1 {
			t.Errorf("want exit code 1: %s", ran)
		}
		says(t, ran, "nowhere", "namespace")
	})
	t.Run("WithoutPolicy", func(t *testing.T) {
		t.Parallel()
		plain := s.appWith(t, namespace, "plain", nil)
		plain.apply(t, "service")
		s.wantVerdict(t, namespace, "svc/plain", "PolicyNotFound")
	})
	t.Run("Unreachable", func(t *testing.T) {
		t.Parallel()
		ran := s.Run(t.Context(), "verify", "-n", namespace, "--server", "https://127.0.0.1:1", "-o", "json")
		if ran.Code != 3 || !json.Valid([]byte(ran.Stdout)) {
			t.Errorf("want exit code 3 and JSON all the same: %s", ran)
		}
	})
}

// wantTable looks at what a person sees.
func wantTable(t *testing.T, ran devcluster.Result) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(ran.Stdout), "\n")
	if ran.Code != 1 || lines[len(lines)-1] != "1 of 2 verified." {
		t.Errorf("the summary is not last, or the exit code is not 1: %s", ran)
	}
	says(t, ran, "BACKEND", "POLICY", "HANDSHAKES", "VERDICT", "verify/good:8443", "✓ Verified", "✗ HostnameMismatch",
		"expected", "presented", "other.example", "likely fix")
	for _, line := range lines {
		if len([]rune(line)) > 100 && !strings.Contains(line, "likely fix") {
			t.Errorf("wider than 100 columns: %q", line)
		}
	}
}

// wantGood looks at what a program sees of a good backend.
func wantGood(t *testing.T, a *app, one verdict.Result) {
	t.Helper()
	want := one
	want.Target.Name, want.Target.Port = a.name, servicePort
	want.TLS.Version, want.TLS.SNI = "TLSv1.3", a.host
	want.Gateway = &verdict.Object{Namespace: "kgateway-system", Name: "http"}
	want.Cluster = a.statName()
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("the result of a good backend (-want +got):\n%s", diff)
	}
	if len(one.Requests) != 3 {
		t.Errorf("%d requests were sent, want 3", len(one.Requests))
	}
}

// file writes a file that a command is given.
func (s *suite) file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
