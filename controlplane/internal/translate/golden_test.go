package translate

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

var update = flag.Bool("update", false, "write the golden files of testdata, and delete those without a manifest")

// TestGolden translates each manifest of testdata and compares with the
// .out.yaml beside it.
func TestGolden(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for _, path := range casePaths(t) {
		golden := strings.TrimSuffix(path, ".yaml") + ".out.yaml"
		wanted[golden] = true
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			options := testOptions()
			options.AllowLoopback = strings.Contains(path, "allow-loopback")
			options.Deploy = strings.Contains(path, "deploy-")
			if strings.Contains(path, "-file-folders") {
				options.FileFolders = []string{"/etc/ssl/certs", "/etc/tlsgw/files/"}
			}
			result := Translate(newSnapshot(t, decodeAll(t, loadCase(t, path))), options)
			checkInvariants(t, newSnapshot(t, decodeAll(t, loadCase(t, path))), result)
			got := dump(t, result)
			if bytes.Contains(got, []byte("PRIVATE KEY")) {
				t.Error("the golden holds a private key")
			}
			if *update {
				writeFile(t, golden, got)
				return
			}
			if diff := cmp.Diff(string(readFile(t, golden)), string(got)); diff != "" {
				t.Errorf("%s (-want +got, -update writes it):\n%s", golden, diff)
			}
		})
	}
	checkStale(t, wanted)
}

func checkStale(t *testing.T, wanted map[string]bool) {
	t.Helper()
	goldens, err := filepath.Glob(filepath.Join("testdata", "*.out.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, golden := range goldens {
		switch {
		case wanted[golden]:
		case !*update:
			t.Errorf("%s has no manifest: -update deletes it", golden)
		default:
			if err := os.Remove(golden); err != nil {
				t.Error(err)
			}
		}
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// dump prints a result as YAML, without what is empty, and with the subjects
// of certificates in place of their bytes.
func dump(tb testing.TB, result *ir.Result) []byte {
	tb.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		tb.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		tb.Fatal(err)
	}
	out, err := sigsyaml.Marshal(prune(tree))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func prune(node any) any {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if text, ok := value.(string); ok && key == "Certificates" {
				n[key] = subjects(text)
				continue
			}
			if pruned := prune(value); pruned == nil {
				delete(n, key)
			} else {
				n[key] = pruned
			}
		}
		if len(n) == 0 {
			return nil
		}
	case []any:
		for i := range n {
			n[i] = prune(n[i])
		}
		if len(n) == 0 {
			return nil
		}
	case string:
		if n == "" {
			return nil
		}
	case bool:
		if !n {
			return nil
		}
	}
	return node
}

func subjects(text string) any {
	rest, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return text
	}
	var names []any
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return names
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err.Error()
		}
		names = append(names, certificate.Subject.CommonName)
	}
}
