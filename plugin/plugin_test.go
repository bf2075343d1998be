package plugin

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestRun is not parallel: each run sets the loggers of the process.
func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"no arguments":    {code: 0, stdout: "dev-up"},
		"help":            {args: []string{"--help"}, code: 0, stdout: "originate"},
		"version":         {args: []string{"version"}, code: 0, stdout: "kubectl-tlsgw "},
		"unknown verb":    {args: []string{"xyz"}, code: 2, stderr: "error: \"xyz\" is not a command of kubectl tlsgw\n  fix: kubectl tlsgw --help\n"},
		"misspelt verb":   {args: []string{"verifi"}, code: 2, stderr: "  fix: kubectl tlsgw verify\n"},
		"unknown flag":    {args: []string{"version", "--nope"}, code: 2, stderr: "error: unknown flag: --nope\n  fix: kubectl tlsgw version --help\n"},
		"stray argument":  {args: []string{"version", "1"}, code: 2, stderr: "  fix: kubectl tlsgw version --help\n"},
		"no xDS identity": {args: []string{"controller"}, code: 2, stderr: "--xds-"},
	} {
		t.Run(name, func(t *testing.T) {
			streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
			if code := Run(t.Context(), c.args, streams); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, out := range []struct{ name, got, want string }{
				{"stdout", stdout.String(), c.stdout}, {"stderr", stderr.String(), c.stderr},
			} {
				if !strings.Contains(out.got, out.want) || out.want == "" && out.got != "" {
					t.Errorf("%s is %q, want it to have %q", out.name, out.got, out.want)
				}
			}
		})
	}
}
