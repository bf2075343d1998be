package envoy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func update() bool {
	set := flag.Lookup("update")
	return set != nil && set.Value.String() == "true"
}

// TestMain adds -update, which rewrites the goldens and deletes stale ones.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	m.Run()
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	all := cases(t)
	for name, gw := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := envoy.Build(gw, envoy.Options{})
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("testdata", name+".json"), dump(t, r, gw))
		})
	}
	noStaleGoldens(t, all)
}

// dump prints resources without the certificates, which each run makes anew.
// No key may be in it.
func dump(t *testing.T, r *envoy.Resources, gw *ir.Gateway) []byte {
	t.Helper()
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range gw.Secrets {
		certificate := base64.StdEncoding.EncodeToString(secret.Certificates)
		encoded = bytes.ReplaceAll(encoded, []byte(certificate), []byte("[certificates]"))
		if len(secret.Key) > 0 && bytes.Contains(encoded, []byte(base64.StdEncoding.EncodeToString(secret.Key))) {
			t.Error("a private key is printed")
		}
	}
	return append(encoded, '\n')
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if update() {
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

func noStaleGoldens(t *testing.T, all map[string]*ir.Gateway) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if _, ok := all[strings.TrimSuffix(filepath.Base(path), ".json")]; ok {
			continue
		}
		t.Errorf("%s is of no case", path)
		if update() {
			_ = os.Remove(path)
		}
	}
}
