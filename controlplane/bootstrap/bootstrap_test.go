package bootstrap_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// TestMain adds -update, which rewrites the goldens.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	m.Run()
}

func cases() map[string]bootstrap.Options {
	minimal := bootstrap.Options{
		Namespace: "infra", Gateway: "http", XDSHost: "tlsgw-controller.tlsgw-system.svc",
		CAFile: "/etc/tlsgw/ca.crt", CertificateFile: "/etc/tlsgw/tls.crt", KeyFile: "/etc/tlsgw/tls.key",
		Folder: "/etc/tlsgw/bootstrap",
	}
	local := minimal
	local.XDSHost, local.XDSPort, local.AdminPort = "127.0.0.1", 18001, 19002
	local.ReadyAddress, local.ReadyPort, local.SOTW = "127.0.0.1", 19003, true
	pod := minimal
	pod.ReadyPort, pod.Drain = contract.ReadyPort, &bootstrap.Drain{Token: "0123456789abcdef", Time: 20 * time.Second}
	return map[string]bootstrap.Options{"minimal": minimal, "local": local, "pod": pod}
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for name, o := range cases() {
		files, err := bootstrap.Files(o)
		if err != nil {
			t.Fatal(err)
		}
		for file, got := range files {
			golden(t, filepath.Join("testdata", name, file), got)
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("run `go test -update` to make it: %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestEnvoyAccepts has a real Envoy check each bootstrap without running it.
func TestEnvoyAccepts(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "xds")
	pair := ca.Issue(t, nil, []string{contract.NodeURI("infra", "http")})
	for name, o := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.CAFile = envoytest.WriteFile(t, "ca.crt", ca.PEM)
			o.CertificateFile = envoytest.WriteFile(t, "tls.crt", pair.Certificate)
			o.KeyFile = envoytest.WriteFile(t, "tls.key", pair.Key)
			config := envoytest.Bootstrap(t, o)
			check := exec.CommandContext(t.Context(), envoytest.Binary(t), "--mode", "validate",
				"--config-path", envoytest.WriteFile(t, "bootstrap.json", config))
			output, err := check.CombinedOutput()
			if err != nil {
				t.Fatalf("%v:\n%s", err, output)
			}
			if i := bytes.Index(output, []byte("[warning]")); i >= 0 {
				t.Errorf("Envoy warns: %s", output[i:])
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	good := cases()["pod"]
	for want, change := range map[string]func(*bootstrap.Options){
		"certificate file": func(o *bootstrap.Options) { o.CertificateFile = "" },
		"folder":           func(o *bootstrap.Options) { o.Folder = "" },
		"ready port":       func(o *bootstrap.Options) { o.ReadyPort = 0 },
		"drain token": func(o *bootstrap.Options) {
			o.Drain = &bootstrap.Drain{Token: "../../0123456789abcdef", Time: time.Second}
		},
		"time to drain": func(o *bootstrap.Options) {
			o.Drain = &bootstrap.Drain{Token: "0123456789abcdef", Time: time.Microsecond}
		},
	} {
		o := good
		change(&o)
		_, err := bootstrap.Files(o)
		if err == nil || !strings.Contains(err.Error(), "infra/http") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name the Gateway and %q", err, want)
		}
	}
}

// TestAdmin holds what the admin interface of a real Envoy lets somebody do who
// reaches it.
func TestAdmin(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "xds")
	pair := ca.Issue(t, nil, []string{contract.NodeURI("infra", "http")})
	for name, drains := range map[string]bool{"minimal": false, "pod": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := cases()[name]
			o.XDSHost, o.XDSPort, o.AdminPort = "127.0.0.1", envoytest.FreePort(t), envoytest.FreePort(t)
			if o.ReadyPort != 0 {
				o.ReadyPort = envoytest.FreePort(t)
			}
			o.CAFile = envoytest.WriteFile(t, "ca.crt", ca.PEM)
			o.CertificateFile = envoytest.WriteFile(t, "tls.crt", pair.Certificate)
			o.KeyFile = envoytest.WriteFile(t, "tls.key", pair.Key)
			envoytest.Start(t, envoytest.Bootstrap(t, o), o.AdminPort)
			admin := fmt.Sprintf("http://127.0.0.1:%d", o.AdminPort)
			envoytest.Eventually(t, 20*time.Second, func() error {
				code, err := send(t, http.MethodGet, admin+"/server_info")
				if err == nil && code != http.StatusOK {
					err = fmt.Errorf("/server_info answers %d", code)
				}
				return err
			})
			for path, allowed := range map[string]bool{
				"/": true, "/help": true, "/stats?format=json&filter=^a": true, "/stats/prometheus": true, "/clusters?format=json": true,
				"/config_dump?resource=dynamic_active_clusters": true, "/listeners?format=json": true, "/certs": true,
				"/memory": true, "/init_dump": true,
				"/stats/recentlookups/clear": false, "/healthcheck/fail": drains, "/healthcheck/ok": false, "/drain_listeners?graceful": false,
				"/logging?level=trace": false, "/quitquitquit": false, "/reset_counters": false, "/runtime_modify?a=b": false,
				"/cpuprofiler?enable=y": false, "/healthcheck/fail/../../quitquitquit": false,
			} {
				method := http.MethodGet
				if !allowed || strings.HasPrefix(path, "/healthcheck") {
					method = http.MethodPost
				}
				code, err := send(t, method, admin+path)
				if err != nil || (code == http.StatusOK) != allowed || !allowed && code != http.StatusForbidden {
					t.Errorf("%s %s is answered %d, %v; allowed: %t", method, path, code, err, allowed)
				}
			}
		})
	}
}

func send(t *testing.T, method, url string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
