package originate

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

func parse(t *testing.T, target string, args ...string) (*Options, error) {
	t.Helper()
	given := &values{}
	set := pflag.NewFlagSet("originate", pflag.ContinueOnError)
	set.SortFlags = false
	given.addFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	options, err := given.options(target, genericiooptions.NewTestIOStreamsDiscard())
	if options != nil {
		options.command = commandOf("kubectl tlsgw originate", target, set)
	}
	return options, err
}

// TestWrongFlags: what the flags alone show to be wrong is one sentence, with
// exit code 2, before any cluster is asked.
func TestWrongFlags(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target string
		args   []string
		want   string
	}{
		"target":           {"nginx", nil, "write svc/nginx"},
		"two trusts":       {"svc/a", []string{"--system-ca", "--ca-from", "configmap/a"}, "--ca-from and --system-ca exclude each other"},
		"policy":           {"svc/a", []string{"--policy", "TLS"}, "--policy \"TLS\" is unknown"},
		"dry run":          {"svc/a", []string{"--dry-run=maybe"}, "none, client, server"},
		"output":           {"svc/a", []string{"-o", "wide"}, "yaml, json, name"},
		"label":            {"svc/a", []string{"-l", "a"}, "KEY=VALUE"},
		"gateway alone":    {"svc/a", []string{"--gateway", "a/b"}, "without --expose"},
		"path alone":       {"svc/a", []string{"--path-prefix", "/a"}, "without --expose"},
		"port of a host":   {"host/a.example", []string{"--port", "443"}, "host/NAME:PORT"},
		"timeout":          {"svc/a", []string{"--timeout", "0s"}, "--timeout 0s"},
		"diff and output":  {"svc/a", []string{"--diff", "-o", "json"}, "--diff prints a difference"},
		"sync and trust":   {"svc/a", []string{"--sync", "--system-ca"}, "--sync"},
		"source name":      {"svc/a", []string{"--ca-from", "configmap/A_B"}, "does not name a configmap"},
		"source key":       {"svc/a", []string{"--ca-from", "secret/a:b/c"}, "does not name a key"},
		"client cert":      {"svc/a", []string{"--client-cert", "pair"}, "is not secret/NAME"},
		"sni":              {"svc/a", []string{"--sni", "a b"}, "--sni \"a b\""},
		"min above max":    {"svc/a", []string{"--min-tls", "1.3", "--max-tls", "1.2"}, "above --max-tls"},
		"expose":           {"svc/a", []string{"--expose", "http://a"}, "is not a hostname"},
		"curve and policy": {"svc/a", []string{"--policy", "BackendTLSPolicy", "--curve", "X25519"}, "cannot be said in a BackendTLSPolicy"},
		"insecure and san": {"svc/a", []string{"--insecure-skip-verify", "--san", "a"}, "no effect"},
		"cipher":           {"svc/a", []string{"--cipher", "BOGUS"}, `cipher suite "BOGUS" is unknown`},
		"curve":            {"host/a.example", []string{"--curve", "X"}, `"X" is unknown`},
		"alpn":             {"backend/a", []string{"--alpn", "h2", "--min-tls", "1.2", "--cipher", "TLS_AES_128_GCM_SHA256"}, "TLS 1.3"},
		"pair and other ca": {"svc/a", []string{"--client-cert", "secret/a", "--ca-from", "secret/b"},
			"secret/a must also hold the CA"},
	}
	for name, test := range tests {
		_, err := parse(t, test.target, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) || fail.Code(err) != fail.CodeUsage {
			t.Errorf("%s: got %v (code %d), want %q and code 2", name, err, fail.Code(err), test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	options, err := parse(t, "svc/nginx", "--sni", "example.com", "--ca-from", "secret/tls:root.pem", "-l", "team=blue", "--curve", "X25519")
	if err != nil {
		t.Fatal(err)
	}
	if options.Spec.Policy != scaffold.BackendConfigPolicy || !options.AutoPolicy {
		t.Errorf("policy is %s", options.Spec.Policy)
	}
	if *options.Source != (Source{Kind: FromSecret, Name: "tls", Key: "root.pem"}) {
		t.Errorf("source is %+v", options.Source)
	}
	if options.Spec.Labels["team"] != "blue" || options.DryRun != "none" || !options.Wait {
		t.Errorf("options are %+v", options)
	}
}

func TestParseSource(t *testing.T) {
	t.Parallel()
	tests := map[string]Source{
		"configmap/a":    {FromConfigMap, "a", "ca.crt"},
		"cm/a:b":         {FromConfigMap, "a", "b"},
		"secret/a":       {FromSecret, "a", "ca.crt"},
		"backend":        {Kind: FromBackend},
		"./backend":      {Kind: FromFile, Name: "./backend"},
		"dir/ca.pem":     {Kind: FromFile, Name: "dir/ca.pem"},
		"secret/a:x.pem": {FromSecret, "a", "x.pem"},
	}
	for text, want := range tests {
		got, err := parseSource(text)
		if err != nil || *got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
			continue
		}
		if again, err := parseSource(got.flag()); err != nil || *again != want {
			t.Errorf("%s: its flag %s is read as %+v, %v", text, got.flag(), again, err)
		}
	}
}

// TestCommandWith: fixes repeat the command line, changed where it matters,
// and can be pasted into a shell.
func TestCommandWith(t *testing.T) {
	t.Parallel()
	options, err := parse(t, "svc/nginx", "--sni", "example.com", "-l", "a=b", "--cipher", "[AES128-SHA|AES256-SHA]", "--dry-run", "client", "--wait=false", "--force")
	if err != nil {
		t.Fatal(err)
	}
	got := options.command.with("sni", "other.example", "yes", "true", "force", "")
	want := "kubectl tlsgw originate svc/nginx --label a=b --cipher '[AES128-SHA|AES256-SHA]' --dry-run --wait=false --sni other.example --yes"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCommandHasNoSecrets: what names the cluster is repeated in a fix, and
// what opens it is not.
func TestCommandHasNoSecrets(t *testing.T) {
	t.Parallel()
	set := pflag.NewFlagSet("originate", pflag.ContinueOnError)
	(&values{}).addFlags(set)
	kube.AddFlags(genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag(), set)
	args := []string{"--sni", "a.example", "-n", "shop", "--context", "prod", "--token", "s3cr3t", "--username", "s3cr3t", "--password", "s3cr3t"}
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	got := commandOf("kubectl tlsgw originate", "svc/a", set).with()
	if want := "kubectl tlsgw originate svc/a --context prod --namespace shop --sni a.example"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestHalfDone: what was made is offered to be taken away, and what was there
// before is not.
func TestHalfDone(t *testing.T) {
	t.Parallel()
	options, err := parse(t, "svc/nginx", "--sni", "example.com")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{o: options, spec: options.Spec}
	created := kube.Applied{Name: "backendtlspolicy/a", Change: kube.Created}
	got := r.halfDone(fail.Failed("no"), []kube.Applied{created})
	if want := "kubectl tlsgw remove svc/nginx    # takes it away again"; fail.As(got).Fix != want || fail.As(got).Outcome != "applied before this: backendtlspolicy/a created" {
		t.Errorf("got %#v", got)
	}
	got = r.halfDone(fail.Failed("no").WithFix("do so"), []kube.Applied{created})
	if fail.As(got).Fix != "do so" || !strings.HasSuffix(fail.As(got).Outcome, "; to take it away: kubectl tlsgw remove svc/nginx") {
		t.Errorf("got %#v", got)
	}
	got = r.halfDone(fail.Failed("no"), []kube.Applied{{Name: "configmap/a", Change: kube.Unchanged}, created})
	if want := "kubectl tlsgw originate svc/nginx --sni example.com    # again"; fail.As(got).Fix != want {
		t.Errorf("got %#v", got)
	}
}

// TestEveryContactHasAFix, whatever came of it.
func TestEveryContactHasAFix(t *testing.T) {
	t.Parallel()
	for _, outside := range []bool{false, true} {
		r := &run{backend: &backend{outside: outside}}
		for name, err := range map[string]error{
			"timeout": context.DeadlineExceeded, "name": &net.DNSError{Name: "x", IsNotFound: true},
			"refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET, "other": errors.New("something else"),
		} {
			if found := r.dialFinding(err); found.fix == "" {
				t.Errorf("%s (outside %v): no fix", name, outside)
			}
		}
		for _, failure := range []probe.Failure{probe.Timeout, probe.Reset, probe.Closed} {
			if found := r.handshakeFinding(&probe.HandshakeError{Failure: failure, Err: io.EOF}); found.fix == "" {
				t.Errorf("handshake %v (outside %v): no fix", failure, outside)
			}
		}
	}
}
