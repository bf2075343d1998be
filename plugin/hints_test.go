package plugin

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// TestHintsAreCommands: what verify offers to be pasted is a command line that
// the verbs take, as far as they can without a cluster. It is not parallel: each
// run sets the loggers of the process.
func TestHintsAreCommands(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for hint, golden := range goldenHints(t) {
		words := pasted(t, hint)
		if len(words) == 0 {
			t.Errorf("%s: %q is no command of kubectl", golden, hint)
			continue
		}
		if words[0] != "tlsgw" {
			continue // one of kubectl's own
		}
		seen[words[1]]++
		args := append(words[1:], "--kubeconfig", kubeconfig, "--server", "http://"+closedAddress(t))
		streams, _, _, stderr := genericiooptions.NewTestIOStreams()
		if code := Run(t.Context(), args, streams); code != fail.CodeUnreachable {
			t.Errorf("%s: %s\nexit code %d: %s", golden, hint, code, stderr)
		}
	}
	for _, verb := range []string{"originate", "verify", "remove"} {
		if seen[verb] == 0 {
			t.Errorf("no hint has %s: %v", verb, seen)
		}
	}
}

// goldenHints are the hints of all verdicts, each with a golden file that has it.
func goldenHints(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("internal/diagnose/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	hints := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var verdict struct {
			Hint   string
			Others []struct{ Hint string }
		}
		if err := yaml.Unmarshal(content, &verdict); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, other := range verdict.Others {
			hints[other.Hint] = file
		}
		hints[verdict.Hint] = file
	}
	delete(hints, "") // of what is verified
	return hints
}

// pasted are the words that kubectl gets when a hint is pasted into a real
// shell. What stands in capitals is filled in, and a step before the command
// is done.
func pasted(t *testing.T, hint string) []string {
	t.Helper()
	if _, command, found := strings.Cut(hint, "then: "); found {
		hint = command
	}
	hint = strings.NewReplacer("HOSTNAME", "host.example", "secret/NAME", "secret/name", "--sni NAME", "--sni name.example").Replace(hint)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `kubectl() { printf '%s\n' "$@"; }; `+hint).Output()
	if err != nil {
		t.Fatalf("%s: %v", hint, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
