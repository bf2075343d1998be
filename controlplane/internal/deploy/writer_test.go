package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/identity"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

const patient = 20 * time.Second

// world is a real API server with the controller's account, its CA, and a
// Writer. There is no other controller: nobody runs pods or collects garbage.
type world struct {
	client.Client
	// parent outlives the parts of a test.
	parent  *testing.T
	account *rest.Config
	clock   *testclock.FakeClock
	issuer  *identity.Authority
	writer  *deploy.Writer
	// stop ends the Writer's Run.
	stop func()

	mu     sync.Mutex
	specs  map[ir.Name]deploy.Spec
	writes map[string]int
}

func startWorld(t *testing.T) *world {
	t.Helper()
	environment := apiservertest.WithCRDs(t)
	admin := apiservertest.Start(t, environment)
	account := apiservertest.User(t, environment, "system:serviceaccount:"+contract.SystemNamespace+":"+contract.ControllerServiceAccount)
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, gatewayv1.Install} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{
		parent: t, account: account, clock: testclock.NewFakeClock(time.Now()),
		specs: map[ir.Name]deploy.Spec{}, writes: map[string]int{},
	}
	var err error
	if w.Client, err = client.New(admin, client.Options{Scheme: known}); err != nil {
		t.Fatal(err)
	}
	objects, err := templates.Controller(templates.ControllerValues{Image: "example.com/controller"})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := w.Create(t.Context(), object); err != nil {
			t.Fatalf("create %s: %v", object.GetName(), err)
		}
	}
	w.startIssuer(t)
	return w
}

// startIssuer runs the real CA.
func (w *world) startIssuer(t *testing.T) {
	t.Helper()
	issuer, err := identity.New(identity.Options{Config: w.account, Clock: w.clock, Log: testr.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.issuer = issuer
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := issuer.Run(ctx); err != nil {
			t.Errorf("the CA ended with: %v", err)
		}
	})
	running.Go(func() { issuer.Lead(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	envoytest.Eventually(t, patient, issuer.Ready)
}

// start runs a new Writer.
func (w *world) start(t *testing.T) {
	t.Helper()
	writer, err := deploy.New(deploy.Options{
		Config: w.account, Proxy: proxy(), Issuer: w.issuer, Clock: w.clock, Log: testr.New(w.parent),
		Workers: 1,
		Observe: func(kind string, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil {
				w.writes[kind]++
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.writer = writer
	w.writer.Set(w.specs)
	w.run()
}

// run begins a term of the Writer.
func (w *world) run() {
	t := w.parent
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.writer.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the Writer ended with: %v", err)
		}
	})
}

// gateway makes a Gateway in a namespace of its own, and its Spec.
func (w *world) gateway(t *testing.T, name, kube string) deploy.Spec {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "of-" + name}}
	if err := client.IgnoreAlreadyExists(w.Create(t.Context(), namespace)); err != nil {
		t.Fatal(err)
	}
	g := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: "of-" + name, Name: name},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: "tlsgw",
			Listeners:        []gatewayv1.Listener{{Name: "http", Port: 8080, Protocol: gatewayv1.HTTPProtocolType}},
		},
	}
	if err := w.Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s := spec(t, kube)
	s.Gateway, s.UID = ir.Name{Namespace: g.Namespace, Name: g.Name}, string(g.UID)
	return s
}

// want adds, or replaces, what is wanted for a Gateway.
func (w *world) want(s deploy.Spec) {
	specs := map[ir.Name]deploy.Spec{s.Gateway: s}
	for name, other := range w.specs {
		if name != s.Gateway {
			specs[name] = other
		}
	}
	w.specs = specs
	w.writer.Set(specs)
}

// unwant takes a Gateway out.
func (w *world) unwant(gateway ir.Name) {
	specs := map[ir.Name]deploy.Spec{}
	for name, other := range w.specs {
		if name != gateway {
			specs[name] = other
		}
	}
	w.specs = specs
	w.writer.Set(specs)
}

// all are empty objects with the names of a Gateway's own, by kind.
func all(s deploy.Spec) map[string]client.Object {
	meta := func(suffix string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: s.Gateway.Namespace, Name: contract.ProxyName(s.Gateway.Name) + suffix}
	}
	return map[string]client.Object{
		"Deployment":          &appsv1.Deployment{ObjectMeta: meta("")},
		"Service":             &corev1.Service{ObjectMeta: meta("")},
		"ServiceAccount":      &corev1.ServiceAccount{ObjectMeta: meta("")},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{ObjectMeta: meta("")},
		"ConfigMap":           &corev1.ConfigMap{ObjectMeta: meta("-bootstrap")},
		"Secret":              &corev1.Secret{ObjectMeta: meta("-xds")},
	}
}

// get reads one of them.
func get[T client.Object](t *testing.T, w *world, s deploy.Spec) (T, error) {
	t.Helper()
	for _, object := range all(s) {
		if typed, ok := object.(T); ok {
			return typed, w.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		}
	}
	panic("none of the kinds")
}

// eventually waits until good accepts one of them.
func eventually[T client.Object](t *testing.T, w *world, s deploy.Spec, good func(T) error) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		object, err := get[T](t, w, s)
		if err != nil {
			return fmt.Errorf("%w; the Writer says %q", err, w.writer.Problem(s.Gateway))
		}
		return good(object)
	})
}

// deployed waits until all of a Gateway's objects are there.
func (w *world) deployed(t *testing.T, s deploy.Spec) {
	t.Helper()
	eventually(t, w, s, func(*appsv1.Deployment) error { return nil })
	envoytest.Eventually(t, patient, func() error {
		if problem := w.writer.Problem(s.Gateway); problem != "" {
			return errors.New(problem)
		}
		return nil
	})
}

// versions are the resource versions of a Gateway's objects.
func (w *world) versions(t *testing.T, s deploy.Spec) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for kind, object := range all(s) {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatalf("get %s: %v", kind, err)
		}
		versions[kind] = object.GetResourceVersion()
	}
	return versions
}

// gone waits until none of a Gateway's objects is there.
func (w *world) gone(t *testing.T, s deploy.Spec) {
	t.Helper()
	for kind, object := range all(s) {
		envoytest.Eventually(t, patient, func() error {
			if err := missing(w.Get(t.Context(), client.ObjectKeyFromObject(object), object)); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			return nil
		})
	}
}

// problem waits until the Writer complains with all words.
func (w *world) problem(t *testing.T, s deploy.Spec, words ...string) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		problem := w.writer.Problem(s.Gateway)
		for _, word := range words {
			if !strings.Contains(problem, word) {
				return fmt.Errorf("the problem %q lacks %q", problem, word)
			}
		}
		return nil
	})
}
