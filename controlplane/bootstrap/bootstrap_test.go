package bootstrap_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	}
	local := minimal
	local.XDSHost, local.XDSPort, local.AdminPort = "127.0.0.1", 18001, 19002
	local.ReadyAddress, local.ReadyPort, local.SOTW = "127.0.0.1", 19003, true
	return map[string]bootstrap.Options{"minimal": minimal, "local": local}
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for name, o := range cases() {
		got, err := bootstrap.JSON(o)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".json")
		if flag.Lookup("update").Value.String() == "true" {
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
			config, err := bootstrap.JSON(o)
			if err != nil {
				t.Fatal(err)
			}
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

func TestMissingOptions(t *testing.T) {
	t.Parallel()
	_, err := bootstrap.JSON(bootstrap.Options{Namespace: "infra", Gateway: "http", XDSHost: "a", CAFile: "b", KeyFile: "c"})
	if err == nil || !strings.Contains(err.Error(), "infra/http") || !strings.Contains(err.Error(), "certificate file") {
		t.Errorf("error %v does not name the Gateway and what is missing", err)
	}
}
