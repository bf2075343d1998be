package kube_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

var cluster *kubetest.Cluster

// TestMain runs an API server without CRDs, as a cluster is before anything
// was installed.
func TestMain(m *testing.M) { kubetest.Main(m, false, &cluster) }

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"key": value},
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	kubeconfig := cluster.KubeconfigFile(t)
	empty := filepath.Join(t.TempDir(), "empty")
	broken := filepath.Join(t.TempDir(), "broken")
	for file, content := range map[string]string{empty: "", broken: "{"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	tests := map[string]struct {
		change func(*genericclioptions.ConfigFlags)
		code   int
		text   string
	}{
		"good":            {func(*genericclioptions.ConfigFlags) {}, 0, ""},
		"unknown context": {func(f *genericclioptions.ConfigFlags) { *f.Context = "nope" }, fail.CodeUsage, `no context "nope"`},
		"missing file":    {func(f *genericclioptions.ConfigFlags) { *f.KubeConfig = missing }, fail.CodeUsage, "cannot be read"},
		"empty file":      {func(f *genericclioptions.ConfigFlags) { *f.KubeConfig = empty }, fail.CodeUsage, "no kubeconfig found"},
		"broken file":     {func(f *genericclioptions.ConfigFlags) { *f.KubeConfig = broken }, fail.CodeUsage, "cannot be used"},
		"nobody there":    {func(f *genericclioptions.ConfigFlags) { *f.APIServer = "https://127.0.0.1:1" }, fail.CodeUnreachable, "does not answer"},
		"wrong CA":        {func(f *genericclioptions.ConfigFlags) { *f.TLSServerName = "other.example" }, fail.CodeUnreachable, "other.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := genericclioptions.NewConfigFlags(false)
			*flags.KubeConfig = kubeconfig
			test.change(flags)
			clients, err := kube.New(flags)
			if fail.Code(err) != test.code || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Fatalf("got %v (code %d)", err, fail.Code(err))
			}
			if failure, ok := errors.AsType[*fail.Error](err); ok && (strings.Contains(err.Error(), "\n") || failure.Fix == "") {
				t.Errorf("not one sentence with a fix: %q", err)
			}
			if err == nil && (clients.Namespace != "default" || clients.Context == "") {
				t.Errorf("namespace %q, context %q", clients.Namespace, clients.Context)
			}
		})
	}
}

// Another command that is to mean the same needs the flags of this one.
func TestWhatFlagsSay(t *testing.T) {
	t.Parallel()
	flags := genericclioptions.NewConfigFlags(false)
	kubeconfig := cluster.KubeconfigFile(t)
	*flags.KubeConfig = kubeconfig
	*flags.Namespace = "other"
	clients, err := kube.New(flags)
	if err != nil {
		t.Fatal(err)
	}
	if clients.Namespace != "other" || clients.ContextNamespace != "default" {
		t.Errorf("namespace %q, and %q without the flag; want other and default", clients.Namespace, clients.ContextNamespace)
	}
	if want := []string{"--kubeconfig", kubeconfig}; !slices.Equal(clients.Flags, want) {
		t.Errorf("flags are %q, want %q", clients.Flags, want)
	}
	*flags.Context = clients.Context
	if clients, err = kube.New(flags); err != nil || !slices.Equal(clients.Flags, []string{"--kubeconfig", kubeconfig, "--context", clients.Context}) {
		t.Errorf("with a context: flags are %q, %v", clients.Flags, err)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	object := func(value string) *corev1.ConfigMap {
		o := configMap("a", value)
		o.Namespace = clients.Namespace
		return o
	}
	apply := func(value string, options kube.ApplyOptions) (kube.Change, error) {
		t.Helper()
		applied, err := clients.Apply(t.Context(), []client.Object{object(value)}, options)
		if err != nil {
			return "", err
		}
		return applied[0].Change, nil
	}
	for i, step := range []struct {
		value   string
		options kube.ApplyOptions
		want    kube.Change
	}{
		{"1", kube.ApplyOptions{DryRun: true}, kube.Created},
		{"1", kube.ApplyOptions{}, kube.Created},
		{"1", kube.ApplyOptions{}, kube.Unchanged},
		{"2", kube.ApplyOptions{DryRun: true}, kube.Configured},
		{"2", kube.ApplyOptions{}, kube.Configured},
	} {
		if got, err := apply(step.value, step.options); err != nil || got != step.want {
			t.Fatalf("step %d: got %s, %v, want %s", i, got, err, step.want)
		}
	}
	theirs := object("3")
	if err := clients.Client.Update(t.Context(), theirs, client.FieldOwner("somebody-else")); err != nil {
		t.Fatal(err)
	}
	_, err := apply("4", kube.ApplyOptions{})
	failure, ok := errors.AsType[*fail.Error](err)
	if !ok || !strings.Contains(strings.Join(failure.Details, " "), "somebody-else") {
		t.Fatalf("a conflict does not name the other manager: %v", err)
	}
	if got, err := apply("4", kube.ApplyOptions{Force: true}); err != nil || got != kube.Configured {
		t.Errorf("forced: got %s, %v", got, err)
	}
}

func TestApplyErrors(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	policy := &gatewayv1.BackendTLSPolicy{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: clients.Namespace}}
	nowhere := configMap("a", "1")
	nowhere.Namespace = "nowhere"
	for text, object := range map[string]client.Object{
		"does not serve BackendTLSPolicy of gateway.networking.k8s.io/v1": policy,
		"namespace nowhere does not exist":                                nowhere,
	} {
		_, err := clients.Apply(t.Context(), []client.Object{object}, kube.ApplyOptions{})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	object := configMap("a", "1")
	object.Namespace = clients.Namespace
	is := func(value string) kube.Condition {
		return func(o client.Object) (bool, string) {
			got := o.(*corev1.ConfigMap).Data["key"]
			return got == value, "key is " + got
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := clients.Wait(short, object.DeepCopy(), "ready", is("2"))
	if err == nil || !strings.Contains(err.Error(), "the object was not there") {
		t.Errorf("got %v", err)
	}
	kubetest.Create(t, clients, object.DeepCopy())
	short, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = clients.Wait(short, object.DeepCopy(), "ready", is("2"))
	if err == nil || !strings.Contains(err.Error(), "was not ready in time; last seen: key is 1") {
		t.Errorf("got %v", err)
	}
	done := make(chan error, 1)
	waited := object.DeepCopy()
	go func() { done <- clients.Wait(t.Context(), waited, "ready", is("2")) }()
	changed := object.DeepCopy()
	changed.Data["key"] = "2"
	if err := clients.Client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || waited.Data["key"] != "2" {
		t.Errorf("got %v, object %v", err, waited.Data)
	}
}

func TestDialService(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	kubetest.Service(t, clients, "up", 8443, port)
	kubetest.Service(t, clients, "bare", 8443, 0)
	conn, err := clients.DialService(t.Context(), clients.Namespace, "up", 8443)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Close(), listener.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.DialService(t.Context(), clients.Namespace, "up", 8443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: got %v", err)
	}
	if _, err := clients.DialService(t.Context(), clients.Namespace, "bare", 8443); !errors.Is(err, kube.ErrNoEndpoints) {
		t.Errorf("no endpoints: got %v", err)
	}
	for _, test := range []struct {
		name string
		port int32
		text string
	}{{"gone", 8443, "does not exist"}, {"up", 1, "has no port 1"}} {
		if _, err := clients.DialService(t.Context(), clients.Namespace, test.name, test.port); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// TestAnnotationsLeadToLoopbackOnly: a Gateway's author cannot send this
// machine's requests elsewhere.
func TestAnnotationsLeadToLoopbackOnly(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	for address, allowed := range map[string]bool{
		"127.0.0.1:19000": true, "[::1]:19000": true,
		"192.0.2.1:19000": false, "example.com:80": false, "localhost:1": false, "0.0.0.0:1": false,
	} {
		gateway := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "http", Namespace: "a",
			Annotations: map[string]string{contract.AnnotationEnvoyAdmin: address}}}
		admins, err := clients.EnvoyAdmin(t.Context(), gateway)
		if (err == nil) != allowed || allowed && admins[0].BaseURL != "http://"+address {
			t.Errorf("%s: got %v, %v", address, admins, err)
		}
		host, _, _ := strings.Cut(strings.Trim(address, "["), "]")
		if !strings.Contains(address, "[") {
			host, _, _ = strings.Cut(address, ":")
		}
		gateway.Annotations = map[string]string{contract.AnnotationEnvoyAddress: host}
		if _, err := clients.GatewayAddress(t.Context(), gateway, 8080); (err == nil) != allowed {
			t.Errorf("%s: got %v", host, err)
		}
	}
	bare := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "http", Namespace: clients.Namespace}}
	if _, err := clients.EnvoyAdmin(t.Context(), bare); fail.Code(err) != fail.CodeUnreachable {
		t.Errorf("no pods: got %v", err)
	}
	if _, err := clients.GatewayAddress(t.Context(), bare, 80); fail.Code(err) != fail.CodeUnreachable {
		t.Errorf("no address: got %v", err)
	}
	bare.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Value: "192.0.2.1"}}
	if dialer, err := clients.GatewayAddress(t.Context(), bare, 80); err != nil || dialer.Address != "192.0.2.1:80" {
		t.Errorf("status address: got %+v, %v", dialer, err)
	}
	kubetest.Service(t, clients, "http", 80, 0)
	if _, err := clients.GatewayAddress(t.Context(), bare, 80); fail.Code(err) != fail.CodeUnreachable || !errors.Is(err, kube.ErrNoEndpoints) {
		t.Errorf("nothing is ready behind the Service: got %v", err)
	}
}

// TestInterruptedRequest: that somebody ended it says nothing about the server.
func TestInterruptedRequest(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	object := configMap("a", "b")
	object.Namespace = clients.Namespace
	_, err := clients.Apply(ctx, []client.Object{object}, kube.ApplyOptions{})
	if fail.Code(err) != fail.CodeFailed || err.Error() != "interrupted" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v (code %d)", err, fail.Code(err))
	}
}
