package controlplane_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	streamsManifest = `
apiVersion: v1
kind: Secret
metadata: {name: edge, namespace: streams}
type: kubernetes.io/tls
data: {tls.crt: %[2]s, tls.key: %[3]s}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: streams, namespace: streams}
spec:
  gatewayClassName: tlsgw
  listeners:
  - {name: passed, protocol: TLS, port: %[1]d, hostname: "*.passed.example", tls: {mode: Passthrough}}
  - {name: idle, protocol: TLS, port: %[1]d, hostname: idle.passed.example, tls: {mode: Passthrough}}
  - {name: ended, protocol: TLS, port: %[1]d, hostname: ended.example, tls: {mode: Terminate, certificateRefs: [{name: edge}]}}
  - {name: https, protocol: HTTPS, port: %[1]d, hostname: https.example, tls: {certificateRefs: [{name: edge}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: https, namespace: streams}
spec:
  parentRefs: [{name: streams, sectionName: https}]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: plain}]`

	tlsRouteManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: %[1]s, namespace: streams}
spec:
  parentRefs: [{name: streams}]
  hostnames: [%[2]q]
  rules:
  - backendRefs: %[3]s`
)

// streams is a Gateway with listeners of every kind of TLS on one port.
type streams struct {
	*cluster
	port uint16
	// edge is the CA of the Gateway's certificate, inner that of the backends'.
	edge, inner       *envoytest.CA
	one, other, plain *envoytest.Backend
}

// TestTLSRoutes sends TLS through a real Envoy.
func TestTLSRoutes(t *testing.T) {
	s := &streams{
		cluster: startCluster(t), port: envoytest.FreePort(t),
		edge: envoytest.NewCA(t, "edge"), inner: envoytest.NewCA(t, "inner"),
	}
	names := []string{"a.passed.example", "shares.passed.example", "inner.example"}
	s.one = envoytest.StartBackend(t, "one", s.inner.Issue(t, names, nil))
	s.other = envoytest.StartBackend(t, "other", s.inner.Issue(t, names, nil))
	s.plain = envoytest.StartBackend(t, "plain", s.inner.Issue(t, names, nil))
	s.run(t)
	s.apply(t, namespaceManifest+"\n---\n"+caManifest, "streams", string(s.inner.PEM))
	pair := s.edge.Issue(t, []string{"ended.example", "https.example"}, nil)
	encoded := base64.StdEncoding.EncodeToString
	s.apply(t, streamsManifest, s.port, encoded(pair.Certificate), encoded(pair.Key))
	for name, b := range map[string]*envoytest.Backend{"one": s.one, "other": s.other, "plain": s.plain} {
		s.apply(t, backendManifest, "streams", name, b.Port)
	}
	s.envoy(t, "streams", "streams")
	t.Run("TLS passes through", s.passesThrough)
	t.Run("connections are shared by weight", s.shares)
	t.Run("TLS ends, and begins again by a policy", s.endsAndBeginsAgain)
	t.Run("HTTPS shares the port", s.sharesPort)
	t.Run("what nobody serves is closed", s.closed)
	t.Run("backends that are not there", s.missingBackends)
	t.Run("statuses", s.statuses)
}

// of is the manifest of a TLSRoute of one listener.
func of(listener string) string {
	return strings.Replace(tlsRouteManifest, "{name: streams}]", "{name: streams, sectionName: "+listener+"}]", 1)
}

func backendRefs(refs ...string) string {
	for i, ref := range refs {
		name, weight, _ := strings.Cut(ref, "=")
		if weight == "" {
			weight = "1"
		}
		refs[i] = fmt.Sprintf("{group: gateway.kgateway.dev, kind: Backend, name: %s, weight: %s}", name, weight)
	}
	return "[" + strings.Join(refs, ", ") + "]"
}

// ask sends a request over TLS with a server name, and gives the name of the
// backend that answers.
func (s *streams) ask(t *testing.T, ca *envoytest.CA, serverName string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: ca.Pool(), ServerName: serverName, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", serverName); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", response.StatusCode)
	}
	return response.Header.Get("X-Backend"), nil
}

// answers waits until a backend answers for a server name.
func (s *streams) answers(t *testing.T, ca *envoytest.CA, serverName, backend string) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		got, err := s.ask(t, ca, serverName)
		if err == nil && got != backend {
			err = fmt.Errorf("%s is answered by %q, want %q", serverName, got, backend)
		}
		return err
	})
}

func (s *streams) passesThrough(t *testing.T) {
	// The policy is not for what clients encrypt: their TLS would be wrapped.
	s.apply(t, policyManifest, "streams", "one")
	s.apply(t, tlsRouteManifest, "passed", "a.passed.example", backendRefs("one"))
	s.answers(t, s.inner, "a.passed.example", "one")
	if _, plain := s.one.Counts(); plain != 0 {
		t.Errorf("%d requests came in plaintext", plain)
	}
	eventually(t, s.cluster, &gatewayv1.BackendTLSPolicy{}, "streams", "one", func(o *gatewayv1.BackendTLSPolicy) error {
		return says(ofAncestor(o.Status), "Accepted", metav1.ConditionTrue, "Accepted", "TLS of clients through")
	})
}

func (s *streams) shares(t *testing.T) {
	s.apply(t, tlsRouteManifest, "shares", "shares.passed.example", backendRefs("one=3", "other=1", "plain=0"))
	s.answers(t, s.inner, "shares.passed.example", "one")
	const total = 200
	counts := map[string]int{}
	for range total {
		name, err := s.ask(t, s.inner, "shares.passed.example")
		if err != nil {
			t.Fatal(err)
		}
		counts[name]++
	}
	if counts["one"]+counts["other"] != total || counts["other"] < total/8 || counts["other"] > total*3/8 {
		t.Errorf("of %d connections %v, want 3 to 1", total, counts)
	}
}

func (s *streams) endsAndBeginsAgain(t *testing.T) {
	s.apply(t, tlsRouteManifest, "ended", "ended.example", backendRefs("other"))
	s.answers(t, s.edge, "ended.example", "other")
	if _, plain := s.other.Counts(); plain == 0 {
		t.Error("the request did not come in plaintext")
	}
	s.apply(t, strings.ReplaceAll(policyManifest, "example.com", "inner.example"), "streams", "other")
	envoytest.Eventually(t, patient, func() error {
		encryptedBefore, plainBefore := s.other.Counts()
		if _, err := s.ask(t, s.edge, "ended.example"); err != nil {
			return err
		}
		if encrypted, plain := s.other.Counts(); encrypted != encryptedBefore+1 || plain != plainBefore {
			return fmt.Errorf("%d requests over TLS and %d in plaintext", encrypted-encryptedBefore, plain-plainBefore)
		}
		return nil
	})
}

func (s *streams) sharesPort(t *testing.T) {
	s.answers(t, s.edge, "https.example", "plain")
}

// refused tells whether a handshake fails.
func (s *streams) refused(t *testing.T, serverName string) {
	t.Helper()
	name, err := s.ask(t, s.inner, serverName)
	var mismatch *tls.CertificateVerificationError
	switch {
	case err == nil:
		t.Errorf("%q is answered by %s", serverName, name)
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &mismatch):
		t.Errorf("%q is not closed: %v", serverName, err)
	}
}

func (s *streams) closed(t *testing.T) {
	s.apply(t, of("passed"), "wide", "*.passed.example", backendRefs("one"))
	envoytest.Eventually(t, patient, func() error {
		_, err := s.ask(t, s.inner, "rest.passed.example") // The certificate is not for it.
		var mismatch *tls.CertificateVerificationError
		if !errors.As(err, &mismatch) {
			return fmt.Errorf("the wide route does not serve: %w", err)
		}
		return nil
	})
	encrypted, _ := s.one.Counts()
	for _, name := range []string{"idle.passed.example", "passed.example", "unknown.example", "a.ended.example"} {
		s.refused(t, name)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.passed.example\r\n\r\n")
	if answer, err := io.ReadAll(conn); len(answer) > 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("plaintext is answered: %q, %v", answer, err)
	}
	if after, _ := s.one.Counts(); after != encrypted {
		t.Error("a backend got what is not its own")
	}
}

func (s *streams) missingBackends(t *testing.T) {
	s.apply(t, tlsRouteManifest, "missing", "b.passed.example", backendRefs("missing"))
	eventually(t, s.cluster, &gatewayv1.TLSRoute{}, "streams", "missing", func(o *gatewayv1.TLSRoute) error {
		return errors.Join(
			says(ofRoute(o.Status.RouteStatus), "ResolvedRefs", metav1.ConditionFalse, "BackendNotFound"),
			says(ofRoute(o.Status.RouteStatus), "Accepted", metav1.ConditionTrue, "Accepted"))
	})
	// The wide route served the name; now nobody does.
	envoytest.Eventually(t, patient, func() error {
		_, err := s.ask(t, s.inner, "b.passed.example")
		var mismatch *tls.CertificateVerificationError
		if err == nil || errors.As(err, &mismatch) {
			return fmt.Errorf("another backend answers: %w", err)
		}
		return nil
	})
}

func (s *streams) statuses(t *testing.T) {
	s.apply(t, tlsRouteManifest, "younger", "a.passed.example", backendRefs("other"))
	eventually(t, s.cluster, &gatewayv1.TLSRoute{}, "streams", "younger", func(o *gatewayv1.TLSRoute) error {
		return says(ofRoute(o.Status.RouteStatus), "Accepted", metav1.ConditionTrue, "Accepted", "streams/passed", "older")
	})
	s.answers(t, s.inner, "a.passed.example", "one")
	s.apply(t, of("https"), "wrong", "https.example", backendRefs("one"))
	eventually(t, s.cluster, &gatewayv1.TLSRoute{}, "streams", "wrong", func(o *gatewayv1.TLSRoute) error {
		return says(ofRoute(o.Status.RouteStatus), "Accepted", metav1.ConditionFalse, "NotAllowedByListeners")
	})
	gateway := eventually(t, s.cluster, &gatewayv1.Gateway{}, "streams", "streams", func(o *gatewayv1.Gateway) error {
		return isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed")
	})
	attached := map[string]int32{}
	for _, l := range gateway.Status.Listeners {
		name := string(l.Name)
		attached[name] = l.AttachedRoutes
		kinds := slices.Clone(l.SupportedKinds)
		if isL7 := name == "https"; !isL7 && (len(kinds) != 1 || kinds[0].Kind != "TLSRoute") || isL7 && len(kinds) != 2 {
			t.Errorf("listener %s supports %v", name, kinds)
		}
		if overlap := meta.FindStatusCondition(l.Conditions, "OverlappingTLSConfig"); (overlap != nil) != strings.HasSuffix(string(*hostname(gateway, name)), "passed.example") {
			t.Errorf("listener %s: OverlappingTLSConfig is %v", name, overlap)
		}
	}
	if attached["passed"] != 5 || attached["idle"] != 0 || attached["ended"] != 1 || attached["https"] != 1 {
		t.Errorf("attached routes: %v", attached)
	}
}

func hostname(g *gatewayv1.Gateway, listener string) *gatewayv1.Hostname {
	for i := range g.Spec.Listeners {
		if string(g.Spec.Listeners[i].Name) == listener {
			return g.Spec.Listeners[i].Hostname
		}
	}
	return nil
}

// ofRoute are the conditions of the controller's own entry.
func ofRoute(s gatewayv1.RouteStatus) []metav1.Condition {
	for _, p := range s.Parents {
		if p.ControllerName == contract.ControllerName {
			return p.Conditions
		}
	}
	return nil
}
