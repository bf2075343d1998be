package source

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// waysIn are one object of each kind that can be a way, by resource.
func waysIn(namespace string) map[string]client.Object {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "here"}
	const port = gatewayv1.PortNumber(80)
	ref := gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{Name: "here", Port: new(port)}}
	return map[string]client.Object{
		"services": &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		"backends.gateway.kgateway.dev": &v1alpha1.Backend{ObjectMeta: meta, Spec: v1alpha1.BackendSpec{
			Static: &v1alpha1.StaticBackend{Hosts: []v1alpha1.Host{{Host: "a.example", Port: 80}}},
		}},
		"gateways.gateway.networking.k8s.io": &gatewayv1.Gateway{ObjectMeta: meta, Spec: gatewayv1.GatewaySpec{
			GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{{Name: "http", Port: port, Protocol: gatewayv1.HTTPProtocolType}},
		}},
		"listenersets.gateway.networking.k8s.io": &gatewayv1.ListenerSet{ObjectMeta: meta, Spec: gatewayv1.ListenerSetSpec{
			ParentRef: gatewayv1.ParentGatewayReference{Name: "here"},
			Listeners: []gatewayv1.ListenerEntry{{Name: "http", Port: port, Protocol: gatewayv1.HTTPProtocolType}},
		}},
		"httproutes.gateway.networking.k8s.io": &gatewayv1.HTTPRoute{ObjectMeta: meta},
		"grpcroutes.gateway.networking.k8s.io": &gatewayv1.GRPCRoute{ObjectMeta: meta},
		"tlsroutes.gateway.networking.k8s.io": &gatewayv1.TLSRoute{ObjectMeta: meta, Spec: gatewayv1.TLSRouteSpec{
			Hostnames: []gatewayv1.Hostname{"a.example"}, Rules: []gatewayv1.TLSRouteRule{{BackendRefs: []gatewayv1.BackendRef{ref}}},
		}},
	}
}

// wanted says of one way of each kind in each namespace that it exists, and of
// another that it does not.
func wanted(namespaces []string) map[ir.Ref]bool {
	ways := map[ir.Ref]bool{}
	for _, way := range []ir.Ref{
		{Kind: "Service"}, {Group: v1alpha1.GroupName, Kind: "Backend"}, {Group: gatewayv1.GroupName, Kind: "Gateway"},
		{Group: gatewayv1.GroupName, Kind: "ListenerSet"}, {Group: gatewayv1.GroupName, Kind: "HTTPRoute"},
		{Group: gatewayv1.GroupName, Kind: "GRPCRoute"}, {Group: gatewayv1.GroupName, Kind: "TLSRoute"},
	} {
		for _, namespace := range namespaces {
			for name, exists := range map[string]bool{"here": true, "gone": false} {
				way.Name = ir.Name{Namespace: namespace, Name: name}
				ways[way] = exists
			}
		}
	}
	return ways
}

// asking starts an API server with waysIn the namespaces. It returns a Source
// that asks it, and the newest version of each resource.
func asking(t *testing.T, namespaces []string) (*Source, Versions) {
	t.Helper()
	config := apiservertest.Start(t, apiservertest.WithCRDs(t))
	known := newScheme(t)
	admin, err := client.New(config, client.Options{Scheme: known})
	if err != nil {
		t.Fatal(err)
	}
	newest := Versions{}
	for _, namespace := range namespaces {
		if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			t.Fatal(err)
		}
		for resource, object := range waysIn(namespace) {
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			newest[resource] = object.GetResourceVersion()
		}
	}
	s, err := New(config, Options{Scheme: known, Quiet: time.Millisecond, Cap: time.Millisecond, Clock: clock.RealClock{}, Log: testr.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s, newest
}

// TestAsk asks a real API server for what it has, and for what is gone.
func TestAsk(t *testing.T) {
	t.Parallel()
	var namespaces []string
	for i := range allNamespaces + 1 { // more than are listed one by one
		namespaces = append(namespaces, fmt.Sprint("ask-", i))
	}
	s, newest := asking(t, namespaces)
	ways := wanted(namespaces)

	t.Run("each alone", func(t *testing.T) {
		t.Parallel()
		for way, exists := range ways {
			answer, err := s.Ask(t.Context(), Question{Namespaces: []string{way.Namespace}, Ways: []ir.Ref{way}})
			if err != nil || len(answer.Ways) != 1 || answer.Ways[way] != exists {
				t.Errorf("%s %s: %+v, %v; exists: %t", way.Kind, way, answer, err, exists)
			}
		}
	})
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		q := Question{Namespaces: namespaces}
		for way := range ways {
			q.Ways = append(q.Ways, way)
		}
		answer, err := s.Ask(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ways, answer.Ways); diff != "" {
			t.Errorf("which exist (-want +got):\n%s", diff)
		}
		for resource, version := range newest {
			if answer.Required[resource] == "" || !answer.Required.Covers(Versions{resource: version}) {
				t.Errorf("of %s, %q is required, want at least %s", resource, answer.Required[resource], version)
			}
		}
	})
	t.Run("of no kind", func(t *testing.T) {
		t.Parallel()
		if answer, err := s.Ask(t.Context(), Question{Ways: []ir.Ref{{Group: "example.com", Kind: "HTTPRoute"}}}); err == nil {
			t.Errorf("a way that nobody can look for: %+v", answer)
		}
	})
}
