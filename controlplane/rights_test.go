package controlplane_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// TestRights runs replicas of the controller with the rights of the
// installation, and reads in the API server's audit log that these suffice and
// that each is used. Its parts share them, in this order.
func TestRights(t *testing.T) {
	in := install(t)
	t.Run("admission", in.admission)
	t.Run("every right suffices and is used", in.everyRight)
}

// installation is an API server on which the controller is installed, as an
// account whose requests are logged.
type installation struct {
	client.Client
	account *rest.Config
	audit   string
	objects []client.Object
}

func install(t *testing.T) *installation {
	t.Helper()
	user := fmt.Sprintf("system:serviceaccount:%s:%s", contract.SystemNamespace, contract.ControllerServiceAccount)
	in := &installation{audit: filepath.Join(t.TempDir(), "audit.log")}
	environment := apiservertest.WithCRDs(t)
	environment.ControlPlane.GetAPIServer().Configure().
		// As an older API server, on which a watch begins with a list.
		Append("feature-gates", "WatchList=false").
		Append("audit-policy-file", envoytest.WriteFile(t, "policy.yaml", fmt.Appendf(nil, auditPolicy, user))).
		Append("audit-log-path", in.audit)
	admin := apiservertest.Start(t, environment)
	in.account = apiservertest.User(t, environment, user)
	var err error
	if in.Client, err = client.New(admin, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if in.objects, err = templates.Controller(templates.ControllerValues{Image: "example.com/controller"}); err != nil {
		t.Fatal(err)
	}
	for _, object := range in.objects {
		in.applyAs(t, in.Client, object.(*unstructured.Unstructured).DeepCopy())
	}
	return in
}

func (in *installation) applyAs(t *testing.T, c client.Client, object *unstructured.Unstructured, options ...client.ApplyOption) {
	t.Helper()
	options = append(options, client.FieldOwner("test"), client.ForceOwnership)
	if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
		t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func (in *installation) apply(t *testing.T, manifests string, arguments ...any) {
	t.Helper()
	for _, object := range parse(t, manifests, arguments...) {
		in.applyAs(t, in.Client, object)
	}
}

func (in *installation) everyRight(t *testing.T) {
	if err := os.Truncate(in.audit, 0); err != nil {
		t.Fatal(err)
	}
	// Also where something never happens: because it was refused.
	defer in.checkRights(t)
	in.live(t)
}

func (in *installation) checkRights(t *testing.T) {
	t.Helper()
	granted := in.granted(t)
	used, refused := in.logged(t)
	for what, times := range refused {
		t.Errorf("refused %d times: %s", times, what)
	}
	if len(granted) == 0 || len(used) == 0 {
		t.Errorf("%d rights are granted, %d used", len(granted), len(used))
	}
	if t.Failed() {
		return
	}
	for r := range granted {
		if !used[r] {
			t.Errorf("granted and never used: %s", r)
		}
	}
}

const (
	rightsGateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: %[1]s}
spec:
  gatewayClassName: %[3]s
  allowedListeners: {namespaces: {from: Same}}
  listeners:
  - {name: http, protocol: HTTP, port: %[2]d, allowedRoutes: {namespaces: {from: All}}}
  - {name: tls, protocol: TLS, port: 8443, tls: {mode: Passthrough}}`

	// rightsRoutes are of the kinds that few use.
	rightsRoutes = `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set, namespace: %[1]s}
spec:
  parentRef: {name: http}
  listeners:
  - {name: more, protocol: HTTP, port: 8082}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: grpc, namespace: %[1]s}
spec:
  parentRefs: [{name: http, sectionName: http}]
  hostnames: [grpc.example.com]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: tls, namespace: %[1]s}
spec:
  parentRefs: [{name: http, sectionName: tls}]
  hostnames: [tls.example.com]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[2]s}]`

	otherClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: other}
spec: {controllerName: example.com/other}`
)

// live has replicas do all that they ever do.
func (in *installation) live(t *testing.T) {
	t.Helper()
	first := in.replica(t, "first")
	in.apply(t, namespaceManifest+"\n---\n"+otherClass, "live")
	in.apply(t, rightsGateway, "live", 8080, contract.GatewayClassName)
	in.apply(t, backendManifest+"\n---\n"+policyManifest, "live", "one", 9000)
	in.apply(t, backendManifest, "live", "two", 9000)
	in.apply(t, configPolicyManifest, "live", "two", "/etc/ssl/certs/ca.crt")
	in.apply(t, routeManifest, "live", "one", "live")
	in.apply(t, rightsRoutes, "live", "one")
	for kind, name := range map[string]string{
		"Gateway": "http", "ListenerSet": "set", "HTTPRoute": "one", "GRPCRoute": "grpc", "TLSRoute": "tls", "BackendTLSPolicy": "one",
	} {
		in.waitStatus(t, schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: kind}, "live", name)
	}
	in.waitStatus(t, schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "GatewayClass"}, "", contract.GatewayClassName)
	for kind, name := range map[string]string{"Backend": "one", "BackendConfigPolicy": "two"} {
		in.waitStatus(t, schema.GroupVersionKind{Group: "gateway.kgateway.dev", Version: "v1alpha1", Kind: kind}, "live", name)
	}
	in.waitDeployed(t, "live", true)
	in.restricted(t, "live", contract.ProxyName("http"))
	in.restricted(t, contract.SystemNamespace, contract.ControllerDeployment)

	// Another replica takes over, and finds a CA that is about to end.
	in.replica(t, "second")
	first()
	in.ageAuthority(t)

	in.apply(t, rightsGateway, "live", 8081, contract.GatewayClassName)
	in.apply(t, rightsGateway, "live", 8081, "other")
	in.waitDeployed(t, "live", false)
}

// replica runs one until the returned function is called.
func (in *installation) replica(t *testing.T, name string) (stop func()) {
	t.Helper()
	xds, health := listenLocal(t), listenLocal(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- controlplane.Run(ctx, controlplane.Options{
			Config: in.account, XDSListener: xds, HealthListener: health,
			Cluster: &controlplane.ClusterOptions{
				Identity: name, XDSHost: "127.0.0.1",
				Times: controlplane.Times{Beat: time.Second, Propagation: 100 * time.Millisecond, DrainOver: 100 * time.Millisecond},
			},
			Log: testr.New(t),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("replica %s ended with: %v", name, err)
		}
	})
	t.Cleanup(stop)
	envoytest.Eventually(t, patient, func() error { return ready(t, health.Addr().String()) })
	return stop
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// waitStatus waits until the controller has written the status.
func (in *installation) waitStatus(t *testing.T, kind schema.GroupVersionKind, namespace, name string) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	envoytest.Eventually(t, patient, func() error {
		if err := in.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			return err
		}
		for _, entry := range object.GetManagedFields() {
			if entry.Manager == contract.StatusFieldManager && entry.Subresource == "status" {
				return nil
			}
		}
		return fmt.Errorf("%s %s has no status of the controller's", kind.Kind, name)
	})
}

// deployed are what a Gateway called http gets.
func deployed() map[string]schema.GroupVersionKind {
	name := contract.ProxyName("http")
	return map[string]schema.GroupVersionKind{
		name + "/deployment": {Group: "apps", Version: "v1", Kind: "Deployment"},
		name + "/service":    {Version: "v1", Kind: "Service"},
		name + "/account":    {Version: "v1", Kind: "ServiceAccount"},
		name + "/budget":     {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
		name + contract.ProxyBootstrapSuffix + "/config": {Version: "v1", Kind: "ConfigMap"},
		name + contract.ProxyIdentitySuffix + "/secret":  {Version: "v1", Kind: "Secret"},
	}
}

// waitDeployed waits until all of it is there, or none.
func (in *installation) waitDeployed(t *testing.T, namespace string, want bool) {
	t.Helper()
	for key, kind := range deployed() {
		name, _, _ := strings.Cut(key, "/")
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		envoytest.Eventually(t, patient, func() error {
			err := in.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
			switch {
			case want || err != nil && !apierrors.IsNotFound(err):
				return err
			case err == nil:
				return fmt.Errorf("%s %s is still there", kind.Kind, name)
			}
			return nil
		})
	}
}

// restricted has the API server admit the pod of a Deployment to the
// controller's namespace, whose level of PodSecurity is restricted.
func (in *installation) restricted(t *testing.T, namespace, name string) {
	t.Helper()
	deployment := &appsv1.Deployment{}
	if err := in.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, deployment); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: contract.SystemNamespace, Name: name, Labels: deployment.Spec.Template.Labels},
		Spec:       deployment.Spec.Template.Spec,
	}
	if err := in.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("the pods of Deployment %s/%s: %v", namespace, name, err)
	}
	pod.Spec.SecurityContext.RunAsNonRoot, pod.ResourceVersion = nil, ""
	if err := in.Create(t.Context(), pod, client.DryRunAll); !apierrors.IsForbidden(err) {
		t.Errorf("a pod that may run as root: %v", err)
	}
}

// ageAuthority replaces the CA by one that ends soon, and waits until the
// leader has made the next.
func (in *installation) ageAuthority(t *testing.T) {
	t.Helper()
	now := time.Now()
	ca, err := pki.NewMaker(time.Now, rand.Reader).CA(pki.Spec{
		CommonName: "old", NotBefore: now.Add(-300 * 24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	name := client.ObjectKey{Namespace: contract.SystemNamespace, Name: contract.XDSAuthoritySecret}
	if err := in.Get(t.Context(), name, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{"old.crt": ca.CertPEM(), "old.key": key}
	if err := in.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	// A leader is waited for until its Lease has run out.
	envoytest.Eventually(t, 2*patient, func() error {
		if err := in.Get(t.Context(), name, secret); err != nil {
			return err
		}
		if len(secret.Data) != 4 {
			return errors.New("the next CA has not been made")
		}
		return nil
	})
}
