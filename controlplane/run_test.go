package controlplane_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	namespaceManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}`

	gatewayManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: %[1]s}
spec:
  gatewayClassName: tlsgw
  listeners:
  - {name: http, protocol: HTTP, port: %[2]d, allowedRoutes: {namespaces: {from: All}}}`

	caManifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: %[1]s}
data: {ca.crt: %[2]q}`

	backendManifest = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  type: Static
  static: {hosts: [{host: 127.0.0.1, port: %[3]d}]}`

	policyManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[2]s}]
  validation:
    hostname: example.com
    caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]`

	configPolicyManifest = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[2]s}]
  tls: {sni: example.com, verifySubjectAltNames: [example.com], files: {rootCA: %[3]q}}`

	routeManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  parentRefs: [{name: http, namespace: %[3]s}]
  hostnames: [%[2]s.%[1]s.example]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[2]s}]`
)

// world is a cluster with one Gateway and its proxy.
type world struct {
	*cluster
	port    uint16
	envoy   *envoytest.Envoy
	backend *envoytest.Backend
	trust   *envoytest.CA
	// stop ends the controller.
	stop func()
}

// TestController runs the controller against a real API server and a real
// Envoy. Its parts share them, in this order.
func TestController(t *testing.T) {
	c := startCluster(t)
	c.controller.Wrap(late("backendtlspolicies"))
	w := &world{cluster: c, port: envoytest.FreePort(t), trust: envoytest.NewCA(t, "backends")}
	w.backend = envoytest.StartBackend(t, "backend", w.trust.Issue(t, []string{"example.com"}, nil))
	w.stop = c.run(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", w.port)
	w.envoy = c.envoy(t, "infra", "http")
	t.Run("objects become traffic, and every kind has a status", w.everyKind)
	t.Run("policies are never late", w.policiesAreNeverLate)
	t.Run("other controllers' entries stay", w.foreignEntries)
	t.Run("what Envoy rejects is said and forgotten", w.rejection)
	t.Run("statuses are healed", w.healing)
	t.Run("a Gateway of another class is left", w.otherClass)
	t.Run("nothing is written where nothing changes", w.noWrites)
	t.Run("many routes", w.manyRoutes)
	t.Run("a restart sends and writes nothing", w.restart)
}

// namespace makes a namespace with the CA of the backends.
func (w *world) namespace(t *testing.T, name string) {
	t.Helper()
	w.apply(t, namespaceManifest+"\n---\n"+caManifest, name, string(w.trust.PEM))
}

// backed makes a Backend, its BackendTLSPolicy and a route, all called name.
func (w *world) backed(t *testing.T, namespace, name string) {
	t.Helper()
	w.apply(t, backendManifest, namespace, name, w.backend.Port)
	w.apply(t, policyManifest, namespace, name)
	w.apply(t, routeManifest, namespace, name, "infra")
}

func (w *world) everyKind(t *testing.T) {
	w.namespace(t, "all")
	w.backed(t, "all", "one")
	w.apply(t, backendManifest, "all", "two", w.backend.Port)
	w.apply(t, configPolicyManifest, "all", "two", envoytest.WriteFile(t, "root.crt", w.trust.PEM))
	w.apply(t, routeManifest, "all", "two", "infra")
	expect(t, w.port, "one.all.example", http.StatusOK)
	expect(t, w.port, "two.all.example", http.StatusOK)
	if _, plain := w.backend.Counts(); plain != 0 {
		t.Errorf("the backend got %d plaintext requests", plain)
	}

	eventually(t, w.cluster, &gatewayv1.GatewayClass{}, "", "tlsgw", func(o *gatewayv1.GatewayClass) error {
		if !slices.Contains(o.Status.SupportedFeatures, gatewayv1.SupportedFeature{Name: "BackendTLSPolicySANValidation"}) {
			return fmt.Errorf("features: %+v", o.Status.SupportedFeatures)
		}
		return isTrue(o.Generation, o.Status.Conditions, "Accepted")
	})
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		if len(o.Status.Listeners) != 1 || o.Status.Listeners[0].AttachedRoutes != 2 {
			return fmt.Errorf("listeners: %+v", o.Status.Listeners)
		}
		if len(o.Status.Addresses) != 1 || o.Status.Addresses[0].Value != "127.0.0.1" || *o.Status.Addresses[0].Type != gatewayv1.IPAddressType {
			return fmt.Errorf("addresses: %+v", o.Status.Addresses)
		}
		if err := isTrue(o.Generation, o.Status.Listeners[0].Conditions, "Accepted", "Programmed", "ResolvedRefs"); err != nil {
			return err
		}
		return isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed")
	})
	for _, name := range []string{"one", "two"} {
		eventually(t, w.cluster, &v1alpha1.Backend{}, "all", name, func(o *v1alpha1.Backend) error {
			return isTrue(o.Generation, o.Status.Conditions, "Accepted")
		})
		eventually(t, w.cluster, &gatewayv1.HTTPRoute{}, "all", name, func(o *gatewayv1.HTTPRoute) error {
			return isTrue(o.Generation, ofParent(o), "Accepted", "ResolvedRefs")
		})
	}
	eventually(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "all", "one", func(o *gatewayv1.BackendTLSPolicy) error {
		return isTrue(o.Generation, ofAncestor(o.Status), "Accepted", "ResolvedRefs")
	})
	eventually(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "all", "two", func(o *v1alpha1.BackendConfigPolicy) error {
		return isTrue(o.Generation, ofAncestor(o.Status), "Accepted", "Attached")
	})
}

// policiesAreNeverLate writes a Backend, a policy and a route in a row: the
// route may reach the controller first, and yet no request is in plaintext.
func (w *world) policiesAreNeverLate(t *testing.T) {
	w.namespace(t, "row")
	_, before := w.backend.Counts()
	for i := range 20 {
		name := fmt.Sprintf("r%d", i)
		w.backed(t, "row", name)
		expect(t, w.port, name+".row.example", http.StatusOK)
	}
	if _, plain := w.backend.Counts(); plain != before {
		t.Errorf("the backend got %d plaintext requests", plain-before)
	}
	// Without a policy, plaintext is what is asked for.
	w.apply(t, backendManifest, "row", "plain", w.backend.Port)
	w.apply(t, routeManifest, "row", "plain", "infra")
	expect(t, w.port, "plain.row.example", http.StatusOK)
	if _, plain := w.backend.Counts(); plain == before {
		t.Error("the backend got no plaintext request")
	}
	if err := w.DeleteAllOf(t.Context(), &gatewayv1.HTTPRoute{}, client.InNamespace("row")); err != nil {
		t.Fatal(err)
	}
}

func (w *world) foreignEntries(t *testing.T) {
	w.namespace(t, "foreign")
	w.backed(t, "foreign", "shared")
	foreign := []metav1.Condition{{
		Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted", LastTransitionTime: metav1.NewTime(time.Unix(1e9, 0)),
	}}
	other := gatewayv1.GatewayController("example.org/other")
	parent := gatewayv1.ParentReference{Name: "elsewhere"}
	ownParent := func(o *gatewayv1.HTTPRoute) error { return isTrue(o.Generation, ofParent(o), "Accepted") }
	ownAncestor := func(o *gatewayv1.BackendTLSPolicy) error {
		return isTrue(o.Generation, ofAncestor(o.Status), "Accepted")
	}
	eventually(t, w.cluster, &gatewayv1.HTTPRoute{}, "foreign", "shared", ownParent)
	eventually(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "foreign", "shared", ownAncestor)
	// The other controller knows only its own entries, and wipes ours.
	eventually(t, w.cluster, &gatewayv1.HTTPRoute{}, "foreign", "shared", func(o *gatewayv1.HTTPRoute) error {
		o.Status.Parents = []gatewayv1.RouteParentStatus{{ParentRef: parent, ControllerName: other, Conditions: foreign}}
		return w.Status().Update(t.Context(), o)
	})
	eventually(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "foreign", "shared", func(o *gatewayv1.BackendTLSPolicy) error {
		o.Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{AncestorRef: parent, ControllerName: other, Conditions: foreign}}
		return w.Status().Update(t.Context(), o)
	})
	eventually(t, w.cluster, &gatewayv1.HTTPRoute{}, "foreign", "shared", ownParent)
	eventually(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "foreign", "shared", ownAncestor)

	// When the object is no longer ours, our entries go.
	w.apply(t, strings.Replace(routeManifest, "name: http, namespace: %[3]s", "name: %[3]s", 1), "foreign", "shared", "elsewhere")
	route := eventually(t, w.cluster, &gatewayv1.HTTPRoute{}, "foreign", "shared", func(o *gatewayv1.HTTPRoute) error {
		if ofParent(o) != nil {
			return fmt.Errorf("our entry is still there: %+v", o.Status.Parents)
		}
		return nil
	})
	policy := fetch(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "foreign", "shared")
	if i := slices.IndexFunc(route.Status.Parents, func(p gatewayv1.RouteParentStatus) bool { return p.ControllerName == other }); i < 0 ||
		!sameConditions(route.Status.Parents[i].Conditions, foreign) {
		t.Errorf("the other controller's parent is %+v", route.Status.Parents)
	}
	if i := slices.IndexFunc(policy.Status.Ancestors, func(a gatewayv1.PolicyAncestorStatus) bool { return a.ControllerName == other }); i < 0 ||
		!sameConditions(policy.Status.Ancestors[i].Conditions, foreign) {
		t.Errorf("the other controller's ancestor is %+v", policy.Status.Ancestors)
	}
}

// rejection names a file that the proxy does not have: only Envoy can know.
func (w *world) rejection(t *testing.T) {
	w.namespace(t, "rejected")
	w.apply(t, backendManifest, "rejected", "bad", w.backend.Port)
	w.apply(t, configPolicyManifest, "rejected", "bad", "/does/not/exist.crt")
	w.apply(t, routeManifest, "rejected", "bad", "infra")
	eventually(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "rejected", "bad", func(o *v1alpha1.BackendConfigPolicy) error {
		return says(ofAncestor(o.Status), "Accepted", metav1.ConditionFalse, "Invalid", "Envoy rejected: ", "/does/not/exist.crt")
	})
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		if err := isTrue(o.Generation, o.Status.Listeners[0].Conditions, "Programmed"); err != nil {
			return err
		}
		return says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "Invalid", "/does/not/exist.crt")
	})
	expect(t, w.port, "one.all.example", http.StatusOK)

	w.apply(t, configPolicyManifest, "rejected", "bad", envoytest.WriteFile(t, "root.crt", w.trust.PEM))
	eventually(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "rejected", "bad", func(o *v1alpha1.BackendConfigPolicy) error {
		return isTrue(o.Generation, ofAncestor(o.Status), "Accepted")
	})
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", programmed)
	expect(t, w.port, "bad.rejected.example", http.StatusOK)
}

// healing takes away what the controller has written on a kind that it writes
// by server-side apply.
func (w *world) healing(t *testing.T) {
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		o.Status.Conditions = []metav1.Condition{{
			Type: "example.org/Other", Status: metav1.ConditionTrue, Reason: "Because", LastTransitionTime: metav1.NewTime(time.Unix(1e9, 0)),
		}}
		return w.Status().Update(t.Context(), o)
	})
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		if meta.FindStatusCondition(o.Status.Conditions, "example.org/Other") == nil {
			return fmt.Errorf("the other controller's condition is gone: %+v", o.Status.Conditions)
		}
		return programmed(o)
	})
}

func (w *world) otherClass(t *testing.T) {
	w.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "moving", envoytest.FreePort(t))
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "moving", "http", func(o *gatewayv1.Gateway) error {
		return says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "Pending", "no Envoy is connected")
	})
	w.apply(t, strings.Replace(gatewayManifest, "gatewayClassName: tlsgw", "gatewayClassName: other", 1), "moving", envoytest.FreePort(t))
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "moving", "http", func(o *gatewayv1.Gateway) error {
		// What is left is the default of the API.
		for _, c := range o.Status.Conditions {
			if c.Status != metav1.ConditionUnknown {
				return fmt.Errorf("status is still %+v", o.Status)
			}
		}
		if len(o.Status.Listeners)+len(o.Status.Addresses) > 0 {
			return fmt.Errorf("status is still %+v", o.Status)
		}
		return nil
	})
}

// noWrites changes things that lead to a new translation but to no other
// status than that of one new route.
func (w *world) noWrites(t *testing.T) {
	w.settle(t)
	before := w.versions(t)
	w.apply(t, caManifest, "all", string(envoytest.NewCA(t, "another").PEM)+string(w.trust.PEM))
	w.apply(t, strings.Replace(routeManifest, "name: http,", "name: nowhere,", 1), "all", "lost", "infra")
	w.apply(t, namespaceManifest, "bystander")
	w.apply(t, routeManifest, "all", "unresolved", "nowhere")
	expect(t, w.port, "one.all.example", http.StatusOK)
	w.settle(t)
	after := w.versions(t)
	for _, added := range []string{"HTTPRoute all/lost", "HTTPRoute all/unresolved"} {
		delete(after, added)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("objects were written (-before +after):\n%s", diff)
	}
}

// manyRoutes is how the many statuses of a big change are written.
func (w *world) manyRoutes(t *testing.T) {
	const routes = 200
	w.namespace(t, "many")
	var group errgroup.Group
	group.SetLimit(16)
	for i := range routes {
		route := parse(t, routeManifest, "many", fmt.Sprintf("m%d", i), "infra")[0]
		group.Go(func() error { return w.Create(t.Context(), route) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	applied := time.Now()
	list := &gatewayv1.HTTPRouteList{}
	envoytest.Eventually(t, patient, func() error {
		if err := w.List(t.Context(), list, client.InNamespace("many")); err != nil {
			return err
		}
		for i := range list.Items {
			if err := isTrue(1, ofParent(&list.Items[i]), "Accepted"); err != nil {
				return fmt.Errorf("%s: %w", list.Items[i].Name, err)
			}
		}
		return nil
	})
	t.Logf("the last of %d statuses came %v after the last route", routes, time.Since(applied).Round(time.Millisecond))
	if err := w.DeleteAllOf(t.Context(), &gatewayv1.HTTPRoute{}, client.InNamespace("many")); err != nil {
		t.Fatal(err)
	}
}
