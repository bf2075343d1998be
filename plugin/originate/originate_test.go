package originate

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

const noWait = "--wait=false"

// expect checks an outcome, and shows all of it where it is not as expected.
func expect(t *testing.T, got outcome, code int, texts ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("exit code %d, want %d", got.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(got.text(), text) {
			t.Errorf("output lacks %q", text)
		}
	}
	if t.Failed() {
		t.Fatalf("output:\n%s", got.text())
	}
}

func expectMade(t *testing.T, clients *kube.Clients, want ...string) {
	t.Helper()
	got := made(t, clients)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("objects in the cluster differ (-want +got):\n%s", diff)
	}
}

func TestDiscoversAndApplies(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	gateway(t, clients, "http")
	verb := invocation{clients: clients}
	args := []string{"--sni", "example.com", "--expose", "example.com", "--gateway", "http", noWait}

	got := verb.originate(t, "svc/nginx", args...)
	expect(t, got, 0, "trust     configmap/ca (found in "+clients.Namespace+", verifies CN=example.com until ",
		"policy    BackendTLSPolicy (no flag needs BackendConfigPolicy)",
		"gateway   "+clients.Namespace+"/http (as given)", "Check it: kubectl tlsgw verify svc/nginx")
	want := "backendtlspolicy.gateway.networking.k8s.io/nginx-tls-policy created\nhttproute.gateway.networking.k8s.io/nginx-route created\n"
	if got.stdout != want {
		t.Errorf("stdout is %q", got.stdout)
	}
	expectMade(t, clients, "backendtlspolicy/nginx-tls-policy", "httproute/nginx-route")

	again := verb.originate(t, "svc/nginx", args...)
	expect(t, again, 0, "nginx-tls-policy unchanged", "nginx-route unchanged")

	expect(t, verb.originate(t, "svc/nginx", append(args, "--diff")...), 0, "no difference")
	other := verb.originate(t, "svc/nginx", append(args, "--diff", "--san", "example.com")...)
	expect(t, other, 1, "+    subjectAltNames:", "--- backendtlspolicy/nginx-tls-policy (in the cluster)")
	expect(t, verb.originate(t, "svc/nginx", append(args, "--san", "example.com")...), 0, "nginx-tls-policy configured")
}

func TestSystemBundleComesFirst(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Public CA")
	backendOf(t, clients, leaf(t, ca, "example.com"))
	kubetest.Create(t, clients, configMap("ca", string(ca.CertPEM())))
	public := &bundle.Bundle{}
	public.Certificates = append(public.Certificates, ca.Certificate())
	got := invocation{clients: clients, system: public.Pool()}.originate(t, "svc/nginx", "--sni", "example.com", noWait)
	expect(t, got, 0, "trust     the system bundle (tried first, verifies CN=example.com until ")
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-tls-policy"), policy); err != nil {
		t.Fatal(err)
	}
	if policy.Spec.Validation.WellKnownCACertificates == nil {
		t.Errorf("policy is %+v", policy.Spec.Validation)
	}
}

// TestSecretIsCopied: a CA in a Secret is copied to a ConfigMap that says
// where from; a second run decides the same, and --sync follows a rotation.
func TestSecretIsCopied(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Test CA")
	backendOf(t, clients, leaf(t, ca, "example.com"))
	held := secret("tls", map[string][]byte{contract.CAKey: ca.CertPEM()})
	kubetest.Create(t, clients, held)
	verb := invocation{clients: clients}
	got := verb.originate(t, "svc/nginx", "--sni", "example.com", noWait)
	expect(t, got, 0, "trust     secret/tls", "copy      configmap/nginx-ca", "configmap/nginx-ca created")
	expectMade(t, clients, "backendtlspolicy/nginx-tls-policy", "configmap/nginx-ca")
	copied := &corev1.ConfigMap{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-ca"), copied); err != nil {
		t.Fatal(err)
	}
	if copied.Data[contract.CAKey] != string(ca.CertPEM()) || copied.Annotations[contract.AnnotationCASource] != "secret/tls:ca.crt" {
		t.Errorf("copy is %+v", copied)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", noWait), 0, "configmap/nginx-ca unchanged", "nginx-tls-policy unchanged")

	rotated := authority(t, "Next CA")
	held.Data[contract.CAKey] = append(ca.CertPEM(), rotated.CertPEM()...)
	if err := clients.Client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sync"), 0, "configmap/nginx-ca configured (from secret/tls)")
	expect(t, verb.originate(t, "svc/nginx", "--sync"), 0, "configmap/nginx-ca unchanged")
	expect(t, verb.originate(t, "svc/other", "--sync"), 1, "copied no CA for svc/other")
}

func TestConfigPolicy(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients}
	got := verb.originate(t, "svc/nginx", "--sni", "example.com", "--curve", "X25519", noWait)
	expect(t, got, 0, "BackendConfigPolicy (--curve needs it)", "copy      secret/nginx-ca")
	expectMade(t, clients, "backendconfigpolicy/nginx-tls-policy", "secret/nginx-ca")

	// The kinds never stand side by side, and what would go is shown before.
	const goes = "backendconfigpolicy.gateway.kgateway.dev/nginx-tls-policy deleted (replaced by BackendTLSPolicy; client dry run)"
	dry := verb.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/ca", "--dry-run")
	expect(t, dry, 0, goes)
	dry = verb.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/ca", "--dry-run", "-o", "name")
	expect(t, dry, 0, goes)
	if dry.stdout != "backendtlspolicy.gateway.networking.k8s.io/nginx-tls-policy\n" {
		t.Errorf("stdout is %q", dry.stdout)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/ca", noWait), 0,
		"nginx-tls-policy created", "deleted (replaced by BackendTLSPolicy)")
	expectMade(t, clients, "backendtlspolicy/nginx-tls-policy", "secret/nginx-ca")
}

func TestSecretReferredToDirectly(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Test CA")
	served := leaf(t, ca, "example.com")
	backendOf(t, clients, served)
	key, err := served.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	kubetest.Create(t, clients, secret("tls", map[string][]byte{
		contract.CAKey: ca.CertPEM(), corev1.TLSCertKey: served.CertPEM(), corev1.TLSPrivateKeyKey: key}))
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--sni", "example.com", "--policy", "backendconfigpolicy", noWait)
	expect(t, got, 0, "BackendConfigPolicy (as given)")
	policy := &v1alpha1.BackendConfigPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-tls-policy"), policy); err != nil {
		t.Fatal(err)
	}
	if tls := policy.Spec.TLS; tls.SecretRef.Name != "tls" || tls.SimpleTLS == nil || !*tls.SimpleTLS {
		t.Errorf("tls is %+v: want secretRef tls, without its client certificate", tls)
	}
}

func TestInsecureIsLoud(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--insecure-skip-verify", noWait)
	expect(t, got, 0, "trust     nobody", "warning: NOTHING IS VERIFIED", "--insecure-skip-verify needs it")
}

func TestHost(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Public CA")
	port := serveTLS(t, tlsConfig(leaf(t, ca, "api.localhost")))
	gateway(t, clients, "http")
	public := &bundle.Bundle{}
	public.Certificates = append(public.Certificates, ca.Certificate())
	verb := invocation{clients: clients, system: public.Pool()}
	target, name := "host/api.localhost:"+itoa(port), "api-localhost-"+itoa(port)
	got := verb.originate(t, target, "--expose", "api.example", "--gateway", clients.Namespace+"/http", noWait)
	expect(t, got, 0, "trust     the system bundle", "kubectl tlsgw verify backend/"+name)
	expectMade(t, clients, "backend/"+name, "backendtlspolicy/"+name, "httproute/"+name)

	// As verify's hints name it: the same objects, still of the host.
	expect(t, verb.originate(t, "backend/"+name, "--system-ca", "--min-tls", "1.2", noWait), 0, name+" configured")
	expectMade(t, clients, "backend/"+name, "backendtlspolicy/"+name, "httproute/"+name)
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, name), policy); err != nil {
		t.Fatal(err)
	}
	if policy.Labels[contract.LabelOriginate] != "host.api.localhost_"+itoa(port) {
		t.Errorf("labels are %v", policy.Labels)
	}
}

// TestUnreachableHost: this machine need not reach what the gateway reaches.
func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	verb := invocation{clients: clients}
	target := "host/gone.localhost:" + itoa(closedPort(t))
	expect(t, verb.originate(t, target, "--system-ca", noWait), 0, "warning: host/gone.localhost", "the gateway may see it differently")
	expect(t, verb.originate(t, target, noWait), 1, "refuses connections", "to go on without: --ca-from or --system-ca")
}

func TestTrustPresented(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Test CA")
	served := leaf(t, ca, "example.com")
	chain := served.TLS()
	chain.Certificate = append(chain.Certificate, ca.Certificate().Raw)
	config := tlsConfig(served)
	config.Certificates[0] = chain
	kubetest.Service(t, clients, "nginx", 8443, serveTLS(t, config))
	args := []string{"--sni", "example.com", "--ca-from", "backend", noWait}

	no := invocation{clients: clients, input: "n\n"}.originate(t, "svc/nginx", args...)
	expect(t, no, 1, "Trust 1, CN=Test CA? [y/N]", "not trusted", "nothing was changed")
	expectMade(t, clients)
	yes := invocation{clients: clients, input: "y\n"}.originate(t, "svc/nginx", args...)
	expect(t, yes, 0, "presented 1  CN=Test CA", "agreed to", "copy      configmap/nginx-ca")
	expect(t, invocation{clients: clients}.originate(t, "svc/nginx", append(args, "--yes")...), 0, "(--yes, verifies", "unchanged")
}

// TestInterruptedQuestion: whoever is asked can press Ctrl-C.
func TestInterruptedQuestion(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients, silent: true, interruptAt: "[y/N]"}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "backend", noWait), 1, "error: interrupted\n", "nothing was changed")
}

// TestInterruptedHandshake: that nothing came of it says nothing about the
// backend.
func TestInterruptedHandshake(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	asked := make(chan struct{}, 1)
	kubetest.Service(t, clients, "nginx", 8443, serve(t, func(conn net.Conn) {
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	}))
	got := invocation{clients: clients, interruptOn: asked}.originate(t, "svc/nginx", "--sni", "example.com", noWait)
	expect(t, got, 1, "error: interrupted\n", "nothing was changed")
}

// TestCopyLeavesOthersAlone: the name that a copied CA gets first may be taken.
func TestCopyLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	backendOf(t, clients, leaf(t, authority(t, "Test CA"), "example.com"))
	kubetest.Create(t, clients, configMap("nginx-ca", "not ours"))
	verb := invocation{clients: clients}
	args := []string{"--sni", "example.com", "--ca-from", "backend", "--yes", noWait}
	expect(t, verb.originate(t, "svc/nginx", args...), 0, "copy      configmap/nginx-ca-copy", "configmap/nginx-ca-copy created")
	expect(t, verb.originate(t, "svc/nginx", args...), 0, "configmap/nginx-ca-copy unchanged", "nginx-tls-policy unchanged")
}

func TestForce(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients}
	got := verb.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/later", "--force", noWait)
	expect(t, got, 0, "forced: configmap/later does not exist", "nginx-tls-policy created")
}

func TestForceTakesTheRepairedBundle(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	zoo()["5 HTML-escaped"].setUp(t, clients)
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/ca", "--force", noWait)
	expect(t, got, 0, "forced: configmap/ca key ca.crt is not PEM", "configmap/nginx-ca created")
	copied := &corev1.ConfigMap{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-ca"), copied); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Parse([]byte(copied.Data[contract.CAKey])); err != nil {
		t.Errorf("the copy is still broken: %v", err)
	}
}

func TestSeveralPorts(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	service := &corev1.Service{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx"), service); err != nil {
		t.Fatal(err)
	}
	service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "metrics", Port: 9090})
	if err := clients.Client.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--sni", "example.com", "--port", "8443", noWait)
	expect(t, got, 0, "nginx-https-tls-policy created")
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-https-tls-policy"), policy); err != nil {
		t.Fatal(err)
	}
	if section := policy.Spec.TargetRefs[0].SectionName; section == nil || *section != "https" {
		t.Errorf("sectionName is %v", section)
	}
}

func TestDryRunAndOutput(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients}
	args := []string{"--sni", "example.com"}
	expect(t, verb.originate(t, "svc/nginx", append(args, "--dry-run", "client")...), 0, "nginx-tls-policy applied (client dry run)", "nothing was changed")
	expect(t, verb.originate(t, "svc/nginx", append(args, "--dry-run=server")...), 0, "(server dry run)")
	asYAML := verb.originate(t, "svc/nginx", append(args, "--dry-run=client", "-o", "yaml")...)
	expect(t, asYAML, 0)
	parsed := &gatewayv1.BackendTLSPolicy{}
	if err := yaml.UnmarshalStrict([]byte(asYAML.stdout), parsed); err != nil || parsed.Name != "nginx-tls-policy" {
		t.Errorf("stdout is not one policy: %v\n%s", err, asYAML.stdout)
	}
	asJSON := verb.originate(t, "svc/nginx", append(args, "--dry-run=client", "-o", "json")...)
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(asJSON.stdout), &list); err != nil || len(list.Items) != 1 {
		t.Errorf("stdout is not a list of one: %v\n%s", err, asJSON.stdout)
	}
	name := verb.originate(t, "svc/nginx", append(args, "--dry-run=client", "-o", "name")...)
	if name.stdout != "backendtlspolicy.gateway.networking.k8s.io/nginx-tls-policy\n" {
		t.Errorf("stdout is %q", name.stdout)
	}
	expectMade(t, clients)
	applied := verb.originate(t, "svc/nginx", append(args, "-o", "yaml", noWait)...)
	if diff := cmp.Diff(asYAML.stdout, applied.stdout); diff != "" {
		t.Errorf("applied differs from the dry run:\n%s", diff)
	}
}

// TestRefusedByTheServer: what the API server refuses is refused before the
// first object is written.
func TestRefusedByTheServer(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Test CA")
	backendOf(t, clients, leaf(t, ca, "example.com"))
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway(t, clients, "http")
	path := "/" + strings.Repeat("x", 2000) // longer than a route's path may be
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--sni", "example.com", "--ca-from", file,
		"--expose", "example.com", "--gateway", "http", "--path-prefix", path, noWait)
	expect(t, got, 1, "httproute.gateway.networking.k8s.io/nginx-route is refused by the API server", "nothing was changed")
	expectMade(t, clients)
}

// TestExpiringSoon warns, and goes on.
func TestExpiringSoon(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	spec := expiredSpec("example.com")
	spec.NotAfter = time.Now().Add(10 * 24 * time.Hour)
	self := pair(t)(maker().SelfSigned(spec))
	backendOf(t, clients, self)
	kubetest.Create(t, clients, configMap("ca", string(self.CertPEM())))
	got := invocation{clients: clients}.originate(t, "svc/nginx", "--sni", "example.com", noWait)
	expect(t, got, 0, "warning: configmap/ca expires soon", "warning: the certificate of svc/nginx expires soon")
}

// TestCommand runs the whole verb with kubectl's flags.
func TestCommand(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	run := func(args ...string) (string, error) {
		streams, _, out, errOut := genericiooptions.NewTestIOStreams()
		cmd := NewCommand(genericclioptions.NewConfigFlags(false), streams)
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		return out.String() + errOut.String(), err
	}
	kubeconfig := cluster.KubeconfigFile(t)
	text, err := run("svc/nginx", "--sni", "example.com", "--kubeconfig", kubeconfig, "-n", clients.Namespace, noWait)
	if err != nil || !strings.Contains(text, "created") || !strings.Contains(text, "-n "+clients.Namespace) && !strings.Contains(text, "--namespace "+clients.Namespace) {
		t.Errorf("got %v\n%s", err, text)
	}
	for _, args := range [][]string{{"--dry-run"}, {"--dry-run", "client"}, {"--dry-run=client"}} {
		text, err = run(append(args, "svc/nginx", "--sni", "example.com", "--kubeconfig", kubeconfig, "-n", clients.Namespace)...)
		if err != nil || !strings.Contains(text, "(client dry run)") {
			t.Errorf("%v: got %v\n%s", args, err, text)
		}
	}
	_, err = run("svc/nginx", "svc/other", "--dry-run")
	if fail.Code(err) != fail.CodeUsage {
		t.Errorf("two targets: got %v", err)
	}
	_, err = run("svc/nginx", "--sni", "example.com", "--kubeconfig", kubeconfig, "--context", "nope")
	if fail.Code(err) != fail.CodeUsage || !strings.Contains(err.Error(), `no context "nope"`) {
		t.Errorf("got %v", err)
	}
	_, err = run("svc/nginx", "--sni", "example.com", "--kubeconfig", kubeconfig, "--server", "https://127.0.0.1:1")
	if fail.Code(err) != fail.CodeUnreachable {
		t.Errorf("got %d, %v", fail.Code(err), err)
	}
}
