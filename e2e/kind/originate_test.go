//go:build e2e

package kind

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOriginate is the way of the README: dev-up's own proposal, proven, and
// taken back; a second run changes nothing.
func TestOriginate(t *testing.T) {
	s := shared(t)
	before := s.names(t, originates)
	args := []string{"originate", "svc/nginx", "--sni", sampleHost, "--expose", sampleHost}

	says(t, s.ok(t, args...), "configmap/nginx-ca", policyName+" created", "nginx-route created", "kubectl tlsgw verify")
	s.await(t, soon, guideHost, "/", http.StatusOK)
	got := s.wantVerdict(t, "svc/nginx", "Verified")
	if got.Gateway == nil || got.Gateway.Name != "http" || !strings.HasPrefix(got.TLS.Version, "TLSv1.") || got.TLS.SNI != sampleHost {
		t.Errorf("verify tells %+v", got)
	}
	says(t, s.ok(t, "verify"), "✓ Verified", "1 of 1 verified")
	again := s.ok(t, args...)
	if says(t, again, "unchanged"); strings.Contains(again.Stdout, "created") || strings.Contains(again.Stdout, "configured") {
		t.Errorf("a second run changed something: %s", again)
	}
	s.ok(t, append(args, "--diff")...)

	says(t, s.ok(t, "remove", "svc/nginx"), policyName, "nginx-route")
	if diff := cmp.Diff(before, s.names(t, originates)); diff != "" {
		t.Errorf("after remove (-before originate +now):\n%s", diff)
	}
	s.await(t, soon, guideHost, "/", http.StatusNotFound)
}

// TestOriginateFromBackend trusts what the backend presents.
func TestOriginateFromBackend(t *testing.T) {
	s := shared(t)
	before := s.names(t, originates)
	s.exits(t, 2, "originate", "svc/nginx", "--sni", sampleHost, "--expose", sampleHost, "--ca-from", "backend")
	if diff := cmp.Diff(before, s.names(t, originates)); diff != "" {
		t.Errorf("it refused and yet wrote (-before +now):\n%s", diff)
	}
	s.originated(t, "--ca-from", "backend", "--yes")
	s.wantVerdict(t, "svc/nginx", "Verified")
}

// TestExitCodes of verify, for scripts.
func TestExitCodes(t *testing.T) {
	s := shared(t)
	s.originated(t)
	s.exits(t, 0, "verify", "svc/nginx")
	s.exits(t, 1, "verify", "svc/nginx", "--expect-status", "201")
	s.exits(t, 2, "verify", "--no-such-flag")
	unreachable := s.exits(t, 3, "verify", "--server", "https://127.0.0.1:1", "-o", "json")
	if !json.Valid([]byte(unreachable.Stdout)) {
		t.Errorf("-o json is no JSON: %s", unreachable)
	}
}

// TestBreaks: the sample, broken in each way that dev-up has, gets the verdict
// that dev-up promises, and is good again afterwards.
func TestBreaks(t *testing.T) {
	s := shared(t)
	s.originated(t)
	s.cleanup(t, func(ctx context.Context) {
		if _, err := s.Up(ctx, "--break", "none"); err != nil {
			t.Error(err)
		}
	})
	for _, broken := range []struct{ how, verdict string }{
		{"sni", "HostnameMismatch"},
		{"ca", "UnknownAuthority"},
		{"expired", "CertificateExpired"},
		{"plaintext", "NotTLS"},
		{"tls-version", "ProtocolVersionMismatch"},
		{"client-cert", "ClientCertificateRequired"},
		{"none", "Verified"},
	} {
		t.Run(broken.how, func(t *testing.T) {
			if _, err := s.Up(t.Context(), "--break", broken.how); err != nil {
				t.Fatal(err)
			}
			s.wantVerdict(t, "svc/nginx", broken.verdict)
		})
	}
}
