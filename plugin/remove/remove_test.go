package remove

import (
	"bytes"
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) { kubetest.Main(m, true, &cluster) }

func remove(t *testing.T, clients *kube.Clients, target string, change func(*Options)) (stdout, stderr string, err error) {
	t.Helper()
	return removeIn(t.Context(), t, clients, target, change)
}

func removeIn(ctx context.Context, t *testing.T, clients *kube.Clients, target string, change func(*Options)) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	options := &Options{DryRun: "none", Clients: clients, Streams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}}
	if change != nil {
		change(options)
	}
	if err = options.complete(target); err == nil {
		err = options.Run(ctx)
	}
	return out.String(), errOut.String(), err
}

// originate applies what originate would for a target.
func originate(t *testing.T, clients *kube.Clients, target string) {
	t.Helper()
	parsed, err := scaffold.ParseTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	spec := scaffold.Spec{Target: parsed, Namespace: clients.Namespace, Policy: scaffold.BackendTLSPolicy, SNI: "example.com",
		Trust: scaffold.Trust{Bundle: []byte("x"), Source: "file/x"},
		Route: &scaffold.Route{Hostname: "example.com", GatewayNamespace: "a", GatewayName: "b", ServicePort: 1}}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Apply(t.Context(), objects, kube.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestRemovesWhatOriginateMade(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	originate(t, clients, "svc/nginx")
	originate(t, clients, "host/httpbin.org")
	originate(t, clients, "host/httpbin.org:8443")
	// Made by others: of the same app, of another target, of a like name.
	kubetest.Create(t, clients,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "app", Labels: map[string]string{contract.LabelApp: "nginx"}}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{contract.LabelOriginate: "svc.nginx"}}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "nginx-ca"}})

	want := "httproute.gateway.networking.k8s.io/nginx-route deleted\n" +
		"backendtlspolicy.gateway.networking.k8s.io/nginx-tls-policy deleted\n" +
		"configmap/nginx-ca deleted\n"
	for _, run := range []string{"client", "server"} {
		stdout, _, err := remove(t, clients, "svc/nginx", func(o *Options) { o.DryRun = run })
		if dry := strings.ReplaceAll(want, "deleted", "deleted ("+run+" dry run)"); err != nil || stdout != dry {
			t.Fatalf("%s dry run: got %v\n%s", run, err, stdout)
		}
	}
	stdout, _, err := remove(t, clients, "svc/nginx", nil)
	if err != nil || stdout != want {
		t.Fatalf("got %v\n%s", err, stdout)
	}
	for _, name := range []string{"app", "theirs"} {
		if err := clients.Client.Get(t.Context(), client.ObjectKey{Namespace: clients.Namespace, Name: name}, &corev1.ConfigMap{}); err != nil {
			t.Errorf("configmap/%s is gone: %v", name, err)
		}
	}
	var routes gatewayv1.HTTPRouteList
	if err := clients.Client.List(t.Context(), &routes, client.InNamespace(clients.Namespace)); err != nil || len(routes.Items) != 2 {
		t.Errorf("the other targets lost their routes: %v", err)
	}
	// Of two ports of a host, one goes and the other stays.
	if stdout, _, err = remove(t, clients, "host/httpbin.org:8443", nil); err != nil || !strings.Contains(stdout, "backend.gateway.kgateway.dev/httpbin-org-8443 deleted") {
		t.Fatalf("got %v\n%s", err, stdout)
	}
	backends := &v1alpha1.BackendList{}
	if err := clients.Client.List(t.Context(), backends, client.InNamespace(clients.Namespace)); err != nil || len(backends.Items) != 1 ||
		backends.Items[0].Spec.Static.Hosts[0].Port != 443 {
		t.Errorf("backends are %+v, %v", backends.Items, err)
	}
}

// TestStoppedHalfWay: an error in between keeps its code and fix, and says what
// was deleted before it.
func TestStoppedHalfWay(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	originate(t, clients, "svc/nginx")
	mayDelete := func(user string, resources ...string) *kube.Clients {
		all := []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list", "get"}}}
		if len(resources) > 0 {
			all = append(all, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: resources, Verbs: []string{"delete"}})
		}
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user, Namespace: clients.Namespace}, Rules: all}
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user, Namespace: clients.Namespace},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}}
		admin, err := kubernetes.NewForConfig(cluster.Config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.RbacV1().Roles(clients.Namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.RbacV1().RoleBindings(clients.Namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		config := rest.CopyConfig(cluster.Config)
		config.Impersonate.UserName = user
		limited, err := kube.NewForConfig(config, clients.Namespace)
		if err != nil {
			t.Fatal(err)
		}
		return limited
	}
	for _, test := range []struct {
		clients *kube.Clients
		outcome string
	}{{mayDelete("nothing"), "nothing was deleted"}, {mayDelete("routes", "httproutes"), "1 of 3 objects were deleted before this"}} {
		_, _, err := remove(t, test.clients, "svc/nginx", nil)
		if failure := fail.As(err); failure.Code != fail.CodeFailed || !strings.HasPrefix(failure.Fix, "kubectl auth whoami") || failure.Outcome != test.outcome {
			t.Errorf("got %#v, want outcome %q", failure, test.outcome)
		}
	}
}

// TestCommand: --dry-run means what it means for kubectl, and its value may be
// a word of its own.
func TestCommand(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	originate(t, clients, "svc/nginx")
	kubeconfig := cluster.KubeconfigFile(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"svc/nginx", "--dry-run"}, "deleted (client dry run)"},
		{[]string{"--dry-run", "server", "svc/nginx"}, "deleted (server dry run)"},
		{[]string{"svc/nginx", "--dry-run", "-o", "name"}, "configmap/nginx-ca\n"},
	} {
		streams, _, out, _ := genericiooptions.NewTestIOStreams()
		cmd := NewCommand(genericclioptions.NewConfigFlags(false), streams)
		cmd.SetArgs(append(test.args, "--kubeconfig", kubeconfig, "-n", clients.Namespace))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), test.want) || policies(t, clients) != 1 {
			t.Errorf("%v: got %v\n%s", test.args, err, out)
		}
	}
	streams := genericiooptions.NewTestIOStreamsDiscard()
	cmd := NewCommand(genericclioptions.NewConfigFlags(false), streams)
	cmd.SetArgs([]string{"svc/nginx", "svc/other", "--dry-run"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); fail.Code(err) != fail.CodeUsage {
		t.Errorf("two targets: got %v", err)
	}
}

func TestNothingToRemove(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	originate(t, clients, "host/httpbin.org")
	stdout, stderr, err := remove(t, clients, "svc/nginx", nil)
	if err != nil || stdout != "" || !strings.Contains(stderr, "originate has made nothing for svc/nginx") {
		t.Errorf("second time: got %v\n%s%s", err, stdout, stderr)
	}
	_, stderr, err = remove(t, clients, "backend/httpbin-org", nil)
	if err != nil || !strings.Contains(stderr, "kubectl tlsgw remove host/httpbin.org") {
		t.Errorf("the host behind a backend: got %v\n%s", err, stderr)
	}
	stdout, _, err = remove(t, clients, "host/httpbin.org", func(o *Options) { o.Output = "name" })
	if err != nil || !strings.Contains(stdout, "backend.gateway.kgateway.dev/httpbin-org\n") {
		t.Errorf("names: got %v\n%s", err, stdout)
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"--dry-run": func(o *Options) { o.DryRun = "maybe" },
		"--output":  func(o *Options) { o.Output = "yaml" },
	} {
		_, _, err := remove(t, nil, "svc/nginx", change)
		if fail.Code(err) != fail.CodeUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := remove(t, nil, "nginx", nil); fail.Code(err) != fail.CodeUsage {
		t.Errorf("target: got %v", err)
	}
}
