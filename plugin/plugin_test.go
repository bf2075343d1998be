package plugin

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// TestWrongUsage: one sentence, a next step, exit code 2.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"verfy":            "error: \"verfy\" is not a command of kubectl tlsgw\n  fix: kubectl tlsgw verify\n",
		"version foo":      "error: version takes no arguments, and got \"foo\"\n  fix: kubectl tlsgw version --help\n",
		"dev-up foo":       "error: dev-up takes no arguments, and got \"foo\"\n  fix: kubectl tlsgw dev-up --help\n",
		"originate --nope": "error: unknown flag: --nope\n  fix: kubectl tlsgw originate --help\n",
	} {
		streams, _, out, errOut := genericiooptions.NewTestIOStreams()
		code := Run(t.Context(), strings.Fields(line), streams)
		if code != fail.CodeUsage || errOut.String() != want || out.Len() > 0 {
			t.Errorf("%s: code %d, stdout %q, stderr %q", line, code, out, errOut)
		}
	}
}

// TestHelpFitsATerminal: no line of any help text is wider than 100 columns.
func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	for _, cmd := range NewCommand(streams).Commands() {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			continue // of the library
		}
		out.Reset()
		if code := Run(t.Context(), []string{cmd.Name(), "--help"}, streams); code != 0 {
			t.Errorf("%s --help: code %d", cmd.Name(), code)
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if len([]rune(line)) > fail.Width {
				t.Errorf("%s: %s", cmd.Name(), line)
			}
		}
	}
}
