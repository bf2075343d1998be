package installation

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// finish does what kube-controller-manager does for deletions, which is not
// part of the clusters of these tests: it ends those that wait for dependents,
// and those of namespaces, whose objects it leaves.
func finish(t *testing.T, clients *kube.Clients) {
	t.Helper()
	core, err := kubernetes.NewForConfig(clients.Config)
	if err != nil {
		t.Fatal(err)
	}
	planned, err := Plan(Options{Image: "any", Channel: ChannelExperimental})
	if err != nil {
		t.Fatal(err)
	}
	planned = append(planned, proxy("Deployment", "apps/v1"), proxy("Service", "v1"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, object := range planned {
				finishOne(ctx, clients, core, object)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// finishOne drops errors: it is called again.
func finishOne(ctx context.Context, clients *kube.Clients, core kubernetes.Interface, object client.Object) {
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	if err := clients.Client.Get(ctx, client.ObjectKeyFromObject(object), there); err != nil || there.DeletionTimestamp == nil {
		return
	}
	if there.Kind == "Namespace" {
		if namespace, err := core.CoreV1().Namespaces().Get(ctx, there.Name, metav1.GetOptions{}); err == nil {
			namespace.Spec.Finalizers = nil
			_, _ = core.CoreV1().Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{})
		}
	}
	if slices.Contains(there.Finalizers, metav1.FinalizerDeleteDependents) {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		_ = clients.Client.Patch(ctx, there, patch)
	}
}

func proxy(kind, version string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: kind, APIVersion: version},
		ObjectMeta: metav1.ObjectMeta{Name: "http", Namespace: "default", Labels: map[string]string{
			contract.LabelManagedBy: contract.ProxyManager, contract.LabelName: contract.ProxyApp,
		}},
	}
}

func removal(t *testing.T, clients *kube.Clients, o RemovalOptions) *Removal {
	t.Helper()
	r, err := PrepareRemoval(t.Context(), clients, o)
	if err != nil {
		t.Fatal(errorText(err))
	}
	return r
}

func run(t *testing.T, r *Removal, o RunOptions) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var deleted []string
	o.Progress = func(name string) { deleted = append(deleted, name) }
	if err := r.Run(ctx, o); err != nil {
		t.Fatal(errorText(err))
	}
	return deleted
}

// TestRemoval is the end of an installation.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestRemoval(t *testing.T) {
	t.Parallel()
	_, clients := newCluster(t)
	if !removal(t, clients, RemovalOptions{CRDs: true}).Empty() {
		t.Error("an empty cluster has something to remove")
	}
	install(t, clients, Options{Image: "x"})
	gateway := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: "http", Namespace: "default"},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: contract.GatewayClassName,
			Listeners:        []gatewayv1.Listener{{Name: "http", Port: 80, Protocol: gatewayv1.HTTPProtocolType}},
		},
	}
	mine := proxy("Service", "v1")
	kubetest.Create(t, clients, gateway,
		&corev1.Service{ObjectMeta: mine.ObjectMeta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: contract.XDSAuthoritySecret, Namespace: contract.SystemNamespace}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: contract.SystemNamespace}},
	)
	before := state(t, clients)

	t.Run("not with objects left", func(t *testing.T) {
		_, err := PrepareRemoval(t.Context(), clients, RemovalOptions{CRDs: true})
		mustRefuse(t, err, "objects are left", "gateways: default/http", "kubectl get gateways.gateway.networking.k8s.io -A", "--force", Unchanged)
		mustBeTheSame(t, before, state(t, clients))
	})
	t.Run("dry run", func(t *testing.T) {
		got := run(t, removal(t, clients, RemovalOptions{}), RunOptions{DryRun: true})
		if got[0] != "deployment.apps/tlsgw-controller -n tlsgw-system" || got[1] != "service/http -n default" || len(got) < 10 {
			t.Errorf("got %v", got)
		}
		mustBeTheSame(t, before, state(t, clients))
	})
	t.Run("times out", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := removal(t, clients, RemovalOptions{}).Run(ctx, RunOptions{})
		mustRefuse(t, err, "not gone in time: deployment.apps/tlsgw-controller -n tlsgw-system", "1 of ", "the same command goes on")
	})
	finish(t, clients)
	t.Run("keeps what is another's", func(t *testing.T) { checkRemoval(t, clients) })
	t.Run("by force", func(t *testing.T) {
		r := removal(t, clients, RemovalOptions{CRDs: true, Force: true})
		if !slices.Equal(r.Lost, []string{"gateways: default/http"}) {
			t.Errorf("lost: %v", r.Lost)
		}
		run(t, r, RunOptions{})
		if left := state(t, clients); len(left) != 1 { // the namespace, which is not empty
			t.Errorf("left: %v", left)
		}
	})
	t.Run("again", func(t *testing.T) {
		if r := removal(t, clients, RemovalOptions{CRDs: true}); !r.Empty() {
			t.Errorf("something is left: %v", r.Objects())
		}
	})
}

func checkRemoval(t *testing.T, clients *kube.Clients) {
	t.Helper()
	r := removal(t, clients, RemovalOptions{})
	if !slices.Equal(r.Gateways, []string{"default/http"}) {
		t.Errorf("gateways that lose their proxies: %v", r.Gateways)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, part := range []string{"namespace/tlsgw-system is kept: it has configmap/theirs", "definitions are kept"} {
		if !strings.Contains(notes, part) {
			t.Errorf("%q is not in the notes:\n%s", part, notes)
		}
	}
	deleted := run(t, r, RunOptions{})
	for _, name := range []string{"secret/tlsgw-xds-ca -n tlsgw-system", "gatewayclass.gateway.networking.k8s.io/tlsgw", "clusterrole.rbac.authorization.k8s.io/tlsgw-controller-proxies"} {
		if !slices.Contains(deleted, name) {
			t.Errorf("%s was not deleted: %v", name, deleted)
		}
	}
	for _, kept := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: "default"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: contract.SystemNamespace}},
		&gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "http", Namespace: "default"}},
	} {
		if err := clients.Client.Get(t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil {
			t.Errorf("%T is gone: %v", kept, err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: contract.XDSAuthoritySecret, Namespace: contract.SystemNamespace}}
	if err := clients.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); !apierrors.IsNotFound(err) {
		t.Errorf("the CA of xDS: %v", err)
	}
}
