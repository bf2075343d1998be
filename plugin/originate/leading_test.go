package originate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// TestLeadingRoute: without --expose a route that is there already is seen.
func TestLeadingRoute(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	gateway(t, clients, "http")
	verb := invocation{clients: clients}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", "--expose", "*.example.com", "--path-prefix", "/a", "--gateway", "http", noWait), 0)
	target, err := scaffold.ParseTarget("svc/nginx")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{clients: clients, spec: scaffold.Spec{Target: target, Namespace: clients.Namespace}, backend: &backend{port: 8443}}
	want := &scaffold.Route{Hostname: "*.example.com", PathPrefix: "/a", ServicePort: 8443, GatewayNamespace: clients.Namespace, GatewayName: "http"}
	if diff := cmp.Diff(want, r.leadingRoute(t.Context()).route); diff != "" {
		t.Errorf("the route that originate made (-want +got):\n%s", diff)
	}
	r.spec.Originate = "somebody"
	if got := r.leadingRoute(t.Context()).String(); got != "httproute/nginx-route leads to it." {
		t.Errorf("somebody else's route: %s", got)
	}
	r.backend.port = 9443
	if got := r.leadingRoute(t.Context()).String(); !strings.Contains(got, "--expose HOSTNAME makes one") {
		t.Errorf("a route to another port: %s", got)
	}
}

// TestOtherRoutes: what is said of routes of other kinds is true of them.
func TestOtherRoutes(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	target, err := scaffold.ParseTarget("svc/nginx")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{clients: clients, spec: scaffold.Spec{Target: target, Namespace: clients.Namespace}, backend: &backend{port: 8443}}
	says := func(want string) {
		t.Helper()
		if got := r.leadingRoute(t.Context()).String(); !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	port := gatewayv1.PortNumber(8443)
	ref := gatewayv1.BackendObjectReference{Name: "nginx", Port: &port}
	pass, end := gatewayv1.TLSModePassthrough, gatewayv1.TLSModeTerminate
	kubetest.Create(t, clients, &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "edge"}, Spec: gatewayv1.GatewaySpec{
		GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{
			{Name: "passes", Port: 443, Protocol: gatewayv1.TLSProtocolType, TLS: &gatewayv1.ListenerTLSConfig{Mode: &pass}},
		}}})
	kubetest.Create(t, clients, &gatewayv1.ListenerSet{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Spec: gatewayv1.ListenerSetSpec{
		ParentRef: gatewayv1.ParentGatewayReference{Name: "edge"}, Listeners: []gatewayv1.ListenerEntry{
			{Name: "ends", Port: 444, Protocol: gatewayv1.TLSProtocolType, TLS: &gatewayv1.ListenerTLSConfig{Mode: &end,
				CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "x"}}}},
		}}})
	stream := func(name string, parent gatewayv1.ParentReference) *gatewayv1.TLSRoute {
		return &gatewayv1.TLSRoute{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: gatewayv1.TLSRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{parent}},
			Hostnames:       []gatewayv1.Hostname{"a.example"},
			Rules:           []gatewayv1.TLSRouteRule{{BackendRefs: []gatewayv1.BackendRef{{BackendObjectReference: ref}}}}}}
	}
	kubetest.Create(t, clients, stream("passed", gatewayv1.ParentReference{Name: "edge"}))
	says("tlsroute/passed passes the client's own TLS through to it, where no policy applies")
	kubetest.Create(t, clients, &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "mirror"}, Spec: gatewayv1.HTTPRouteSpec{
		Rules: []gatewayv1.HTTPRouteRule{{Filters: []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterRequestMirror,
			RequestMirror: &gatewayv1.HTTPRequestMirrorFilter{BackendRef: ref}}}}}}})
	says("httproute/mirror copies requests to it.")
	kind := gatewayv1.Kind("ListenerSet")
	kubetest.Create(t, clients, stream("ended", gatewayv1.ParentReference{Name: "more", Kind: &kind}))
	says("tlsroute/ended leads to it. (verify")
}

// TestExposeThroughAListenerSet: the Gateway's own listeners take other
// hostnames, and a ListenerSet adds one that takes this.
func TestExposeThroughAListenerSet(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	other, shop := gatewayv1.Hostname("other.example"), gatewayv1.Hostname("*.shop.example")
	own := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "edge"}, Spec: gatewayv1.GatewaySpec{
		GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{{Name: "http", Port: 8080, Protocol: gatewayv1.HTTPProtocolType, Hostname: &other}}}}
	kubetest.Create(t, clients, own)
	set := func(name, gateway string) *gatewayv1.ListenerSet {
		return &gatewayv1.ListenerSet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: gatewayv1.ListenerSetSpec{
			ParentRef: gatewayv1.ParentGatewayReference{Name: gatewayv1.ObjectName(gateway)},
			Listeners: []gatewayv1.ListenerEntry{{Name: "http", Port: 8081, Protocol: gatewayv1.HTTPProtocolType, Hostname: &shop}}}}
	}
	refused := set("a-refused", "edge")
	kubetest.Create(t, clients, set("another", "another"), refused)
	refused.Status.Conditions = []metav1.Condition{{Type: "Accepted", Status: metav1.ConditionFalse, Reason: "NotAllowed", LastTransitionTime: metav1.Now()}}
	if err := clients.Client.Status().Update(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	verb := invocation{clients: clients}
	args := []string{"--sni", "example.com", "--expose", "www.shop.example", "--gateway", "edge", noWait}
	expect(t, verb.originate(t, "svc/nginx", args...), 1, "has no HTTP or HTTPS listener that takes routes for www.shop.example")

	kubetest.Create(t, clients, set("shop", "edge"))
	expect(t, verb.originate(t, "svc/nginx", args...), 0, "gateway   "+clients.Namespace+"/edge (as given)",
		"listeners listenerset "+clients.Namespace+"/shop (those of the Gateway itself take no routes for www.shop.example)")
	route := &gatewayv1.HTTPRoute{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-route"), route); err != nil {
		t.Fatal(err)
	}
	if parent := route.Spec.ParentRefs[0]; parent.Kind == nil || *parent.Kind != "ListenerSet" || parent.Name != "shop" {
		t.Errorf("the route's parent is %+v", parent)
	}
	target, err := scaffold.ParseTarget("svc/nginx")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{clients: clients, spec: scaffold.Spec{Target: target, Namespace: clients.Namespace}, backend: &backend{port: 8443}}
	want := &scaffold.Route{Hostname: "www.shop.example", PathPrefix: "/", ServicePort: 8443, GatewayNamespace: clients.Namespace, GatewayName: "edge",
		ListenerSetNamespace: clients.Namespace, ListenerSetName: "shop"}
	found := r.leadingRoute(t.Context()).route
	if diff := cmp.Diff(want, found); diff != "" {
		t.Fatalf("the route that originate made (-want +got):\n%s", diff)
	}
	if listener, err := r.listenerFor(t.Context(), own, found); err != nil || listener == nil || listener.Port != 8081 {
		t.Errorf("its listener is %+v, %v", listener, err)
	}
}
