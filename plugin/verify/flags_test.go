package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

// parse runs the command line as far as its options.
func parse(t *testing.T, line ...string) (*Options, error) {
	t.Helper()
	f := newFlags()
	cmd := &cobra.Command{Use: "verify"}
	f.register(cmd)
	if err := cmd.ParseFlags(line); err != nil {
		return nil, err
	}
	return f.options(cmd.Flags().Args(), genericiooptions.NewTestIOStreamsDiscard())
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parse(t, "svc/nginx", "backend/b", "--requests", "5", "--method", "head", "--expect-status", "200,4xx",
		"--gateway", "ns/gw", "-o", "wide", "--path", "/x?y=1")
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Targets) != 2 || o.Targets[1] != (TargetRef{kindBackend, "b"}) || o.Requests != 5 || o.Method != "HEAD" ||
		o.GatewayNamespace != "ns" || o.GatewayName != "gw" || o.Path != "/x?y=1" {
		t.Errorf("got %+v", o)
	}
	for status, want := range map[int]bool{200: true, 201: false, 404: true, 499: true, 500: false, 0: false} {
		if o.Expect.Contains(status) != want {
			t.Errorf("status %d", status)
		}
	}
}

// TestUsageErrors: each wrong flag gets one sentence and exit code 2.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"--requests 0", "--requests 101", "--timeout 0s", "--path x", "--host a\tb", "-A svc/x", "-o junit", "-o xml",
		"--expect-status 99", "--expect-status 6xx", "--expect-status abc", "--expect-status 200,,", "--gateway http", "--gateway a/b/c",
		"nginx", "pod/x", "svc/", "svc/UPPER", "svc/a/b",
	} {
		_, err := parse(t, strings.Split(line, " ")...)
		if err == nil || fail.Code(err) != fail.CodeUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]TargetRef{
		"svc/a": {kindService, "a"}, "Service/a": {kindService, "a"}, "backend/a.b": {kindBackend, "a.b"},
		"backendtlspolicy/a": {kindBackendTLSPolicy, "a"}, "btlspolicy/a": {kindBackendTLSPolicy, "a"},
		"backendconfigpolicies.gateway.kgateway.dev/a": {kindBackendConfigPolicy, "a"},
		"backendtlspolicy.gateway.networking.k8s.io/a": {kindBackendTLSPolicy, "a"},
		"backend.gateway.kgateway.dev/a":               {kindBackend, "a"},
		"host/httpbin.org":                             {kindBackend, "httpbin-org"},
		"host/10.0.0.1:8443":                           {kindBackend, "10-0-0-1-8443"},
	} {
		if got, err := ParseTarget(arg); err != nil || got != want {
			t.Errorf("%s: %+v, %v", arg, got, err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		verdicts []diagnose.Code
		want     int
	}{
		{[]diagnose.Code{diagnose.Verified, diagnose.Verified}, 0},
		{[]diagnose.Code{diagnose.Verified, diagnose.HostnameMismatch}, fail.CodeFailed},
		{[]diagnose.Code{diagnose.StatsUnavailable, diagnose.Verified}, fail.CodeUnreachable},
		{[]diagnose.Code{diagnose.GatewayUnreachable, diagnose.NotTLS}, fail.CodeFailed},
		{[]diagnose.Code{diagnose.NotTLS, diagnose.GatewayUnreachable}, fail.CodeFailed},
	} {
		var results []report.Result
		for _, v := range test.verdicts {
			results = append(results, report.Result{Verdict: v})
		}
		if got := fail.Code(exit(results)); got != test.want {
			t.Errorf("%v: %d, want %d", test.verdicts, got, test.want)
		}
	}
}

// TestUsageErrorIsStillJSON: a wrong flag leaves stdout parseable too.
func TestUsageErrorIsStillJSON(t *testing.T) {
	t.Parallel()
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	cmd := NewCommand(genericclioptions.NewConfigFlags(false), streams, nil)
	cmd.SetArgs([]string{"-o", "json", "--requests", "0"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); fail.Code(err) != fail.CodeUsage {
		t.Errorf("exit code %d: %v", fail.Code(err), err)
	}
	if !strings.Contains(out.String(), `"error": "--requests 0 is not between`) {
		t.Errorf("stdout %q", out)
	}
}

// TestUnknownFlagIsStillJSON: wherever it stands among the others.
func TestUnknownFlagIsStillJSON(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"-o json --nope", "--nope -o json", "svc/a --nope x -n b --output=json", "--requests x -A -ojson"} {
		streams, _, out, _ := genericiooptions.NewTestIOStreams()
		args := strings.Fields(line)
		cmd := NewCommand(genericclioptions.NewConfigFlags(false), streams, args)
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); fail.Code(err) != fail.CodeUsage {
			t.Errorf("%s: exit code %d: %v", line, fail.Code(err), err)
		}
		var r report.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Error == "" || !strings.HasSuffix(r.Hint, "verify --help") {
			t.Errorf("%s: %v, stdout %q", line, err, out)
		}
	}
}

// TestUnreachableClusterIsStillJSON: stdout can be parsed, and the error has
// its exit code.
func TestUnreachableClusterIsStillJSON(t *testing.T) {
	t.Parallel()
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	flags := genericclioptions.NewConfigFlags(false)
	server, kubeconfig := "http://"+addressOf(closedPort(t)), filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags.APIServer, flags.KubeConfig = &server, &kubeconfig
	cmd := NewCommand(flags, streams, nil)
	cmd.SetArgs([]string{"-o", "json"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	if fail.Code(err) != fail.CodeUnreachable {
		t.Errorf("exit code %d: %v", fail.Code(err), err)
	}
	if !strings.Contains(out.String(), `"kind": "VerifyReport"`) || !strings.Contains(out.String(), `"error": "`) {
		t.Errorf("stdout %q", out)
	}
}
