package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	m.Run()
}

// outcome is what one run of a verb printed and returned.
type outcome struct {
	stdout, stderr string
	code           int
}

// person runs the verbs with a kubeconfig.
type person struct{ kubeconfig string }

func (p person) run(ctx context.Context, t *testing.T, verb string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr}
	flags := genericclioptions.NewConfigFlags(true)
	cmd := NewCommand(flags, streams, "v1.2.3") //nolint:contextcheck // ExecuteContext gives it the context
	if verb == "uninstall" {
		cmd = NewUninstallCommand(flags, streams) //nolint:contextcheck // likewise
	}
	if p.kubeconfig != "" {
		args = append(args, "--kubeconfig", p.kubeconfig)
	}
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(ctx)
	text := stderr.String()
	if err != nil && !errors.Is(err, fail.ErrSilent) {
		failure := fail.As(err)
		text += strings.Join(append([]string{"error: " + err.Error()}, append(failure.Details, "fix: "+failure.Fix, failure.Outcome)...), "\n")
	}
	return outcome{stdout.String(), text, fail.Code(err)}
}

func (o outcome) must(t *testing.T, code int, parts ...string) outcome {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d:\n%s%s", o.code, code, o.stderr, o.stdout)
	}
	for _, part := range parts {
		if !strings.Contains(o.stdout+o.stderr, part) {
			t.Errorf("%q is not in\n%s%s", part, o.stderr, o.stdout)
		}
	}
	return o
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verb string
		args []string
		want []string
	}{
		"dry run":         {"install", []string{"--dry-run=maybe"}, []string{"--dry-run", "none, client, server"}},
		"output":          {"install", []string{"-o", "wide"}, []string{"--output", "yaml, json, name"}},
		"channel":         {"install", []string{"--gateway-api", "beta"}, []string{"--gateway-api", "standard, experimental, none"}},
		"replicas":        {"install", []string{"--replicas", "0"}, []string{"--replicas 0", "uninstall"}},
		"log level":       {"install", []string{"--log-level", "trace"}, []string{"--log-level", "debug, info, warn, error"}},
		"timeout":         {"install", []string{"--timeout", "0s"}, []string{"--timeout"}},
		"image":           {"install", []string{"--image", "UPPER/case"}, []string{"--image"}},
		"removal dry run": {"uninstall", []string{"--dry-run=maybe"}, []string{"--dry-run"}},
		"removal output":  {"uninstall", []string{"-o", "yaml"}, []string{"--output", "name"}},
		"removal force":   {"uninstall", []string{"--force"}, []string{"--force", "--crds"}},
		"removal timeout": {"uninstall", []string{"--timeout", "-1s"}, []string{"--timeout"}},
		"no kubeconfig":   {"install", []string{"--kubeconfig", "/nonexistent"}, []string{"kubeconfig"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			person{}.run(t.Context(), t, c.verb, c.args...).must(t, fail.CodeUsage, c.want...)
		})
	}
}

// TestImageOfThisVersion: only a release has an image in the registry.
func TestImageOfThisVersion(t *testing.T) {
	t.Parallel()
	for version, released := range map[string]bool{
		"v1.2.3": true, "v1.2.3-rc.1": true,
		"devel": false, "devel-0123456789ab": false, "v1.2.3+dirty": false, "unknown": false,
		"v0.0.0-20251123120000-0123456789ab": false, "v1.2.4-0.20251123120000-0123456789ab": false,
		"v1.2.3-rc.1.0.20251123120000-0123456789ab": false,
	} {
		o := &Options{DryRun: "none", Timeout: time.Second}
		o.Replicas = 1
		err := o.complete(version)
		if released != (err == nil) || released && o.Image != release.Image(version) {
			t.Errorf("%s: image %q, %v", version, o.Image, err)
		}
		if !released && (fail.Code(err) != fail.CodeUsage || !strings.Contains(err.Error(), "--image is needed")) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

var update = flag.Bool("update", false, "rewrite the goldens")

// TestDryRun asks no cluster, and prints what can be applied in that order.
func TestDryRun(t *testing.T) {
	t.Parallel()
	names := person{}.run(t.Context(), t, "install", "--dry-run", "-o", "name").must(t, 0).stdout
	golden := filepath.Join("testdata", "names.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(names), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if names != string(want) {
		t.Errorf("names differ from %s:\n%s", golden, names)
	}
	if got := (person{}).run(t.Context(), t, "install", "--dry-run", "client").must(t, 0, "nothing was changed").stdout; strings.Count(got, "applied (client dry run)\n") != strings.Count(names, "\n") {
		t.Errorf("dry run of the words --dry-run client:\n%s", got)
	}
	manifests := person{}.run(t.Context(), t, "install", "--dry-run=client", "-o", "yaml", "--replicas", "5", "--log-level", "debug").must(t, 0, "replicas: 5", "--log-level=debug", release.Image("v1.2.3")).stdout
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	for n := 0; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			if n != strings.Count(names, "\n") {
				t.Errorf("%d documents", n)
			}
			return
		}
		object := &unstructured.Unstructured{}
		if err != nil || yaml.UnmarshalStrict(document, &object.Object) != nil || object.GetName() == "" {
			t.Fatalf("document %d: %v\n%s", n, err, document)
		}
		if _, found := object.Object["status"]; found || bytes.Contains(document, []byte("creationTimestamp: null")) {
			t.Errorf("%s has fields of the API server", object.GetName())
		}
	}
}

// TestLife is the life of an installation, through the command line.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestLife(t *testing.T) {
	t.Parallel()
	cluster, err := kubetest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	p := person{cluster.KubeconfigFile(t)}
	p.run(t.Context(), t, "uninstall").must(t, 0, "nothing of ours is left to take away")
	p.run(t.Context(), t, "install", "--diff").must(t, 1,
		"# customresourcedefinition.apiextensions.k8s.io/gateways.gateway.networking.k8s.io would be created\n", "+kind: Deployment")
	p.run(t.Context(), t, "install", "--dry-run=server").must(t, 0, "deployment.apps/tlsgw-controller created (server dry run)", "nothing was changed")
	p.run(t.Context(), t, "install", "--wait=false").must(t, 0, "deployment.apps/tlsgw-controller created")
	p.run(t.Context(), t, "install", "--wait=false").must(t, 0, "nothing had to be changed")
	p.run(t.Context(), t, "install", "--diff").must(t, 0, "no difference")
	diff := p.run(t.Context(), t, "install", "--diff", "--image", "example.com/other:1").must(t, 1, "+        image: example.com/other:1").stdout
	if strings.Count(diff, "\n+") != 2 { // with the file name
		t.Errorf("another image differs in more than the image:\n%s", diff)
	}
	p.run(t.Context(), t, "install", "--diff", "--dry-run=client").must(t, 1, "(as install would have it)")
	p.run(t.Context(), t, "install", "--timeout", "1s").must(t, 1,
		"waiting for the controller", "deployment tlsgw-system/tlsgw-controller was not available in time", "there is no pod", "kubectl describe", "everything was applied and stays")

	clients := cluster.Clients(t)
	kubetest.Create(t, clients,
		&gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Name: "http"},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: contract.GatewayClassName,
				Listeners: []gatewayv1.Listener{{Name: "http", Port: 80, Protocol: gatewayv1.HTTPProtocolType}}},
		},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: contract.SystemNamespace}})
	p.run(t.Context(), t, "uninstall", "--crds", "--force").must(t, 1,
		"1 Gateways lose their proxies", clients.Namespace+"/http", "LOST with their definition", "nobody to ask",
		"fix: kubectl tlsgw uninstall --yes --kubeconfig "+p.kubeconfig+" --crds --force", "nothing was changed")
	p.run(t.Context(), t, "uninstall", "--dry-run").must(t, 0, "deployment.apps/tlsgw-controller deleted (client dry run)", "nothing was changed")
	p.run(t.Context(), t, "uninstall", "--dry-run", "server", "-o", "name").must(t, 0, "deployment.apps/tlsgw-controller -n tlsgw-system\n")
	p.run(t.Context(), t, "install", "--wait=false").must(t, 0, "nothing had to be changed")
	t.Run("answers", func(t *testing.T) {
		for answer, want := range map[string]string{"no\n": "the answer was not yes", "": "the answer was not yes", "yes\n": "not gone in time: deployment.apps/tlsgw-controller"} {
			var stderr bytes.Buffer
			o := &UninstallOptions{Clients: clients, Terminal: true, DryRun: "none", Wait: true, Timeout: time.Second,
				Streams: genericiooptions.IOStreams{In: strings.NewReader(answer), Out: io.Discard, ErrOut: &stderr}}
			if err := o.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(stderr.String(), "Type yes to go on in ") {
				t.Errorf("answer %q: %v\n%s", answer, err, stderr.String())
			}
		}
	})
}
