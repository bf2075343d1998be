package remove

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

func service(t *testing.T, clients *kube.Clients) {
	t.Helper()
	kubetest.Create(t, clients, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: corev1.ServiceSpec{
		Ports: []corev1.ServicePort{{Name: "https", Port: 8443}, {Name: "grpc", Port: 9443}}}})
}

func refTo(port int32) gatewayv1.BackendRef {
	return gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{Name: "nginx", Port: &port}}
}

// byHand is a route that somebody else made.
func byHand(name string, port int32) *gatewayv1.HTTPRoute {
	return &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: gatewayv1.HTTPRouteSpec{
		Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: refTo(port)}}}}}}
}

func policies(t *testing.T, clients *kube.Clients) int {
	t.Helper()
	var list gatewayv1.BackendTLSPolicyList
	if err := clients.Client.List(t.Context(), &list, client.InNamespace(clients.Namespace)); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

const warning = "httproute/shop still leads to svc/nginx: its requests will go there in plaintext"

// ofSomebody makes svc/nginx, what originate makes for it, and a route by hand.
func ofSomebody(t *testing.T) *kube.Clients {
	t.Helper()
	clients := cluster.Clients(t)
	service(t, clients)
	originate(t, clients, "svc/nginx")
	kubetest.Create(t, clients, byHand("shop", 8443))
	return clients
}

// TestPlaintextNeedsYes: somebody's own route would go on in plaintext, and
// nobody can answer.
func TestPlaintextNeedsYes(t *testing.T) {
	t.Parallel()
	clients := ofSomebody(t)
	stdout, _, err := remove(t, clients, "svc/nginx", nil)
	if err == nil || stdout != "" {
		t.Fatalf("got %v, stdout %q", err, stdout)
	}
	failure := fail.As(err)
	if failure.Code != fail.CodeFailed || strings.Join(failure.Details, "\n") != warning || failure.Outcome != "nothing was deleted" ||
		!strings.HasPrefix(failure.Fix, "kubectl tlsgw remove svc/nginx --yes") {
		t.Fatalf("got %#v", failure)
	}
	_, stderr, err := remove(t, clients, "svc/nginx", func(o *Options) { o.DryRun = "server" })
	if err != nil || !strings.Contains(stderr, "warning: "+warning) {
		t.Fatalf("dry run: got %v\n%s", err, stderr)
	}
	_, stderr, err = remove(t, clients, "svc/nginx", func(o *Options) { o.Yes = true })
	if err != nil || !strings.Contains(stderr, warning) || policies(t, clients) != 0 {
		t.Fatalf("--yes: got %v\n%s", err, stderr)
	}
}

// TestPlaintextIsAskedFor at a terminal.
func TestPlaintextIsAskedFor(t *testing.T) {
	t.Parallel()
	clients := ofSomebody(t)
	answer := func(text string) func(*Options) {
		return func(o *Options) { o.Terminal, o.Streams.In = true, strings.NewReader(text) }
	}
	_, stderr, err := remove(t, clients, "svc/nginx", answer("n\n"))
	if fail.Code(err) != fail.CodeFailed || !strings.Contains(stderr, warning+"\nDelete the policy all the same? [y/N] ") || policies(t, clients) != 1 {
		t.Fatalf("not agreed to: got %v\n%s", err, stderr)
	}
	stdout, _, err := remove(t, clients, "svc/nginx", answer("y\n"))
	if err != nil || strings.Count(stdout, "deleted") != 3 {
		t.Fatalf("agreed to: got %v\n%s", err, stdout)
	}
}

// TestWhatLeadsThere: all that would go on in plaintext is named, and nothing
// that would not.
func TestWhatLeadsThere(t *testing.T) {
	t.Parallel()
	clients, other := cluster.Clients(t), cluster.Clients(t)
	service(t, clients)
	originate(t, clients, "svc/nginx")
	toNginx := byHand("abroad", 8443)
	namespace := gatewayv1.Namespace(clients.Namespace)
	toNginx.Spec.Rules[0].BackendRefs[0].Namespace = &namespace
	kubetest.Create(t, other, toNginx, byHand("of-its-own", 8443))

	unused := byHand("unused", 8443)
	none := int32(0)
	unused.Spec.Rules[0].BackendRefs[0].Weight = &none
	mirror := byHand("mirror", 1)
	mirror.Spec.Rules[0].BackendRefs[0].Name = "another"
	mirror.Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterRequestMirror,
		RequestMirror: &gatewayv1.HTTPRequestMirrorFilter{BackendRef: refTo(8443).BackendObjectReference}}}
	calls := &gatewayv1.GRPCRoute{ObjectMeta: metav1.ObjectMeta{Name: "calls"}, Spec: gatewayv1.GRPCRouteSpec{
		Rules: []gatewayv1.GRPCRouteRule{{BackendRefs: []gatewayv1.GRPCBackendRef{{BackendRef: refTo(9443)}}}}}}
	kubetest.Create(t, clients, unused, mirror, calls, stream("ended", "ends"), stream("passed", "passes"), gateway())

	_, stderr, err := remove(t, clients, "svc/nginx", func(o *Options) { o.DryRun = "client" })
	want := []string{
		"warning: httproute/mirror still copies requests to svc/nginx: they will go there in plaintext",
		"warning: httproute/abroad of namespace " + other.Namespace + " still leads to svc/nginx: its requests will go there in plaintext",
		"warning: grpcroute/calls still leads to svc/nginx: its requests will go there in plaintext",
		"warning: tlsroute/ended still leads to svc/nginx: its requests will go there in plaintext",
	}
	slices.Sort(want)
	got := slices.Sorted(strings.Lines(stderr))
	if err != nil || strings.Join(got, "") != strings.Join(want, "\n")+"\n" {
		t.Fatalf("got %v\n%s\nwant\n%s", err, stderr, strings.Join(want, "\n"))
	}

	// A policy that stays, of one port, leaves the other.
	section := gatewayv1.SectionName("https")
	stays := &gatewayv1.BackendTLSPolicy{ObjectMeta: metav1.ObjectMeta{Name: "stays"}, Spec: gatewayv1.BackendTLSPolicySpec{
		TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
			LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: "nginx"}, SectionName: &section}},
		Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: "a.example", WellKnownCACertificates: system()}}}
	kubetest.Create(t, clients, stays)
	_, stderr, err = remove(t, clients, "svc/nginx", func(o *Options) { o.DryRun = "client" })
	if err != nil || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "grpcroute/calls") {
		t.Fatalf("another policy stays for port https: got %v\n%s", err, stderr)
	}
}

func system() *gatewayv1.WellKnownCACertificatesType {
	system := gatewayv1.WellKnownCACertificatesSystem
	return &system
}

func stream(name string, listener gatewayv1.SectionName) *gatewayv1.TLSRoute {
	return &gatewayv1.TLSRoute{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: gatewayv1.TLSRouteSpec{
		CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: "edge", SectionName: &listener}}},
		Hostnames:       []gatewayv1.Hostname{"a.example"},
		Rules:           []gatewayv1.TLSRouteRule{{BackendRefs: []gatewayv1.BackendRef{refTo(8443)}}}}}
}

func gateway() *gatewayv1.Gateway {
	terminate, pass := gatewayv1.TLSModeTerminate, gatewayv1.TLSModePassthrough
	return &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "edge"}, Spec: gatewayv1.GatewaySpec{GatewayClassName: "tlsgw",
		Listeners: []gatewayv1.Listener{
			{Name: "ends", Port: 443, Protocol: gatewayv1.TLSProtocolType, TLS: &gatewayv1.ListenerTLSConfig{Mode: &terminate,
				CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "x"}}}},
			{Name: "passes", Port: 444, Protocol: gatewayv1.TLSProtocolType, TLS: &gatewayv1.ListenerTLSConfig{Mode: &pass}},
		}}}
}

// TestHostGoesBeforeItsPolicy: a route of somebody else leads nowhere then, so
// that there is nothing to ask.
func TestHostGoesBeforeItsPolicy(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	originate(t, clients, "host/httpbin.org")
	route := byHand("shop", 1)
	group, kind := gatewayv1.Group("gateway.kgateway.dev"), gatewayv1.Kind("Backend")
	route.Spec.Rules[0].BackendRefs[0].BackendObjectReference = gatewayv1.BackendObjectReference{Group: &group, Kind: &kind, Name: "httpbin-org"}
	kubetest.Create(t, clients, route)
	stdout, stderr, err := remove(t, clients, "host/httpbin.org", nil)
	want := "httproute.gateway.networking.k8s.io/httpbin-org deleted\nbackend.gateway.kgateway.dev/httpbin-org deleted\n" +
		"backendtlspolicy.gateway.networking.k8s.io/httpbin-org deleted\nconfigmap/httpbin-org-ca deleted\n"
	if err != nil || stdout != want || stderr != "" {
		t.Errorf("got %v\n%s%s", err, stdout, stderr)
	}
	// Of a Backend that stays the requests would go on.
	originate(t, clients, "host/httpbin.org")
	backend := route.Spec.Rules[0].BackendRefs[0]
	originate(t, clients, "backend/own")
	backend.Name = "own"
	route.Spec.Rules[0].BackendRefs[0] = backend
	if err := clients.Client.Update(t.Context(), route); err != nil {
		t.Fatal(err)
	}
	if _, _, err = remove(t, clients, "backend/own", nil); err == nil || !strings.Contains(strings.Join(fail.As(err).Details, ""), "still leads to backend/own") {
		t.Errorf("a Backend that stays: got %v", err)
	}
}

// TestInterruptedQuestion: Ctrl-C is an answer, too.
func TestInterruptedQuestion(t *testing.T) {
	t.Parallel()
	clients := ofSomebody(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	silent, _ := io.Pipe()
	_, _, err := removeIn(ctx, t, clients, "svc/nginx", func(o *Options) {
		o.Terminal, o.Streams.In, o.Streams.ErrOut = true, silent, cancelAt{cancel, "[y/N]"}
	})
	if err == nil || err.Error() != "interrupted" || fail.As(err).Outcome != "nothing was deleted" || policies(t, clients) != 1 {
		t.Errorf("got %v", err)
	}
}

// cancelAt ends a context when a text is written.
type cancelAt struct {
	cancel context.CancelFunc
	text   string
}

func (c cancelAt) Write(text []byte) (int, error) {
	if strings.Contains(string(text), c.text) {
		c.cancel()
	}
	return len(text), nil
}
