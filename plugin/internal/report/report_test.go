package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample() *Report {
	return New([]Result{
		{
			Target:  Target{"Service", "default", "nginx", 8443},
			Policy:  &Object{"BackendTLSPolicy", "default", "nginx-tls-policy"},
			Gateway: &Name{"kgateway-system", "http"}, Cluster: "kube_default_nginx_8443",
			Verdict: diagnose.Verified, Message: "3 requests answered as expected",
			Requests:   []Request{{URL: "http://localhost:8080/", Host: "example.com", Status: 200, DurationMS: 4}},
			Handshakes: Handshakes{12, 15},
			TLS: TLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "example.com",
				PeerSubject: "CN=example.com", PeerSANs: []string{"example.com"}, NotAfter: "2027-11-23T12:00:00Z"},
			Stats: map[string]uint64{"ssl.handshake": 3, "ssl.fail_verify_san": 0},
		},
		{
			Target:  Target{"Backend", "default", "httpbin-org", 443},
			Policy:  &Object{"BackendTLSPolicy", "default", "httpbin-org"},
			Gateway: &Name{"kgateway-system", "http"}, Cluster: "backend_default_httpbin-org_0",
			Verdict: diagnose.HostnameMismatch, Stage: diagnose.StageCertificate,
			Message:  "the backend's certificate is not for httpbin.org",
			Expected: "SAN httpbin.org   (BackendTLSPolicy/httpbin-org validation.hostname)",
			Presented: "SAN httpbin.example, www.httpbin.example   issuer CN=Test CA with a name that is so long that the line " +
				"must break   until 2027-01-02",
			Envoy:    `ssl.fail_verify_san +3; 503 "remote connection failure"`,
			Hint:     "kubectl tlsgw originate backend/httpbin-org --sni httpbin.example --system-ca",
			Findings: []Finding{{Code: diagnose.WeakCertificate, Stage: diagnose.StageCertificate, Message: "the key has only 1024 bits"}},
			Requests: []Request{{URL: "http://localhost:8080/", Host: "httpbin.org", Status: 503, DurationMS: 2}},
		},
		{
			Target:  Target{"Service", "a-namespace-with-a-long-name", "a-service-with-a-long-name-too", 443},
			Policy:  &Object{"BackendConfigPolicy", "a-namespace-with-a-long-name", "a-policy-with-a-long-name"},
			Verdict: diagnose.NoHandshakeObserved, Stage: diagnose.StageEvidence, Message: "131 requests answered over old connections",
			Expected: "ssl.handshake to rise", Hint: "kubectl tlsgw verify svc/x    # again",
			Evidence:   []string{"live transport socket: SNI x, trust file /etc/ca.crt"},
			Handshakes: Handshakes{12, 12}, Warnings: []string{"only the chain is verified, not for whom the certificate is"},
			Requests: []Request{{URL: "http://localhost:8080/", Host: "x", Status: 200}}, Extra: 128,
		},
		{
			Target:  Target{"Service", "default", "bare", 0},
			Verdict: diagnose.PolicyNotFound, Stage: diagnose.StageConfig, Message: "no policy originates TLS to default/bare",
			Hint: "kubectl tlsgw originate svc/bare",
		},
	})
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*Report, *bytes.Buffer) error{
		"table.txt":   func(r *Report, b *bytes.Buffer) error { return r.Table(b, Style{}) },
		"wide.txt":    func(r *Report, b *bytes.Buffer) error { return r.Table(b, Style{Wide: true}) },
		"color.txt":   func(r *Report, b *bytes.Buffer) error { return r.Table(b, Style{Color: true}) },
		"report.json": func(r *Report, b *bytes.Buffer) error { return r.JSON(b) },
		"report.yaml": func(r *Report, b *bytes.Buffer) error { return r.YAML(b) },
		"failure.json": func(_ *Report, b *bytes.Buffer) error {
			failure := fail.Unreachable("cluster https://x does not answer").WithDetail("it did an hour ago").WithFix("kubectl config get-contexts")
			return Failure(fmt.Errorf("verify: %w", failure)).JSON(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := write(sample(), &got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestWidth: a table fits 100 columns, but for the fix, which must stay whole.
func TestWidth(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().Table(&b, Style{}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > width && !strings.Contains(line, "likely fix") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestYAMLIsJSON: both hold the same.
func TestYAMLIsJSON(t *testing.T) {
	t.Parallel()
	var asJSON, asYAML bytes.Buffer
	if err := sample().JSON(&asJSON); err != nil {
		t.Fatal(err)
	}
	if err := sample().YAML(&asYAML); err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(asJSON.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(asYAML.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-json +yaml:\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	if got := sample().Summary; got != (Summary{Verified: 1, Failed: 3}) {
		t.Errorf("got %+v", got)
	}
}

func TestEmptyIsNotNull(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := New([]Result{{}}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"requests": []`, `"peerSANs": []`, `"stats": {}`} {
		if !strings.Contains(b.String(), field) {
			t.Errorf("no %s in %s", field, b.String())
		}
	}
}

func TestWrapKeepsWords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "short", strings.Repeat("word ", 60), strings.Repeat("x", 250), strings.Repeat("ü ", 120)} {
		lines := wrap(text, 40)
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 40 {
				t.Errorf("%q is too long", line)
			}
		}
		if got, want := strings.Join(strings.Fields(strings.Join(lines, " ")), ""), strings.Join(strings.Fields(text), ""); got != want {
			t.Errorf("wrap changed %q to %q", want, got)
		}
	}
}
