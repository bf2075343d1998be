package controlplane_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	// edgeManifest takes the key pair and the CA of the Gateway, the ports of its
	// listeners, and the port of the backend.
	edgeManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: edge}
---
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: Secret
metadata: {name: server, namespace: edge}
type: kubernetes.io/tls
data: {tls.crt: %[1]s, tls.key: %[2]s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: edge}
data: {ca.crt: %[3]q}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: edge}
spec:
  gatewayClassName: tlsgw
  allowedListeners: {namespaces: {from: All}}
  tls:
    backend: {clientCertificateRef: {name: server}}
    frontend:
      default: {}
      perPort:
      - {port: %[5]d, tls: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}
      - {port: %[6]d, tls: {validation: {mode: AllowInsecureFallback, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}
  listeners:
  - {name: any, protocol: HTTPS, port: %[4]d, tls: {certificateRefs: [{name: server}]}}
  - {name: second, protocol: HTTPS, port: %[4]d, hostname: second.example, tls: {certificateRefs: [{name: server}]}}
  - {name: strict, protocol: HTTPS, port: %[5]d, tls: {certificateRefs: [{name: server}]}}
  - {name: lax, protocol: HTTPS, port: %[6]d, tls: {certificateRefs: [{name: server}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set, namespace: team}
spec:
  parentRef: {name: edge, namespace: edge}
  listeners:
  - {name: own, protocol: HTTP, port: %[7]d, hostname: team.example}
  - {name: taken, protocol: HTTPS, port: %[4]d, hostname: second.example, tls: {certificateRefs: [{name: server}]}}
  - {name: stolen, protocol: HTTPS, port: %[4]d, hostname: stolen.example, tls: {certificateRefs: [{name: server, namespace: edge}]}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: backend, namespace: edge}
spec:
  type: Static
  static: {hosts: [{host: 127.0.0.1, port: %[8]d}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: backend, namespace: edge}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: backend}]
  validation: {hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: backend, namespace: edge}
spec:
  parentRefs: [{name: edge}]
  hostnames: [example.com, second.example]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: backend}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: routes, namespace: edge}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: team}]
  to: [{group: gateway.kgateway.dev, kind: Backend}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: team, namespace: team}
spec:
  parentRefs: [{kind: ListenerSet, name: set, sectionName: own}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: backend, namespace: edge}]}]`

	// edgePairManifest takes a key pair.
	edgePairManifest = `
apiVersion: v1
kind: Secret
metadata: {name: server, namespace: edge}
type: kubernetes.io/tls
data: {tls.crt: %[1]s, tls.key: %[2]s}`
)

// edge is a Gateway that shows certificates to backends, asks them of clients
// and has a ListenerSet.
type edge struct {
	*cluster
	ca, other *envoytest.CA
	envoy     *envoytest.Envoy
	// shared and its like are ports.
	shared, strict, lax, team uint16
}

// TestListeners runs the controller against a real API server, with a real
// Envoy and a backend that insists on a client certificate.
func TestListeners(t *testing.T) {
	e := &edge{
		cluster: startCluster(t), ca: envoytest.NewCA(t, "own"), other: envoytest.NewCA(t, "other"),
		shared: envoytest.FreePort(t), strict: envoytest.FreePort(t), lax: envoytest.FreePort(t), team: envoytest.FreePort(t),
	}
	e.run(t)
	pair := e.ca.Issue(t, []string{"example.com", "second.example"}, nil)
	e.apply(t, edgeManifest, encode64(pair.Certificate), encode64(pair.Key), string(e.ca.PEM),
		e.shared, e.strict, e.lax, e.team, insistent(t, e.ca))
	e.envoy = e.cluster.envoy(t, "edge", "edge")

	t.Run("backends see the certificate", e.backends)
	t.Run("clients show theirs", e.clients)
	t.Run("requests that are misdirected", e.misdirected)
	t.Run("a ListenerSet", e.listenerSet)
	t.Run("a reference that is not good", e.invalid)
}

func encode64(text []byte) string { return base64.StdEncoding.EncodeToString(text) }

// insistent is the port of a backend that answers with the serial number of
// the certificate that it is shown, and nobody who shows none.
func insistent(t *testing.T, ca *envoytest.CA) int {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.TLS.PeerCertificates[0].SerialNumber, r.Header.Get("X-Forwarded-Client-Cert"))
	}))
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.Issue(t, []string{"example.com"}, nil).TLS(t)},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	}
	// Envoy shows a new certificate on new connections.
	server.Config.SetKeepAlivesEnabled(false)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// request is one by HTTP/2 on a connection of its own.
type request struct {
	port         uint16
	sni, host    string
	certificates []tls.Certificate
}

func (e *edge) do(t *testing.T, r request) (code int, body string, err error) {
	t.Helper()
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: e.ca.Pool(), ServerName: r.sni,
			// Of Certificates, a client shows only those that a server says to trust.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(r.certificates) == 0 {
					return &tls.Certificate{}, nil
				}
				return &r.certificates[0], nil
			},
		},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
		},
	}
	defer transport.CloseIdleConnections()
	out, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.host+"/", http.NoBody)
	if err != nil {
		return 0, "", err
	}
	out.Header.Set("X-Forwarded-Client-Cert", "Hash=forged")
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(out)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(read), err
}

// answers waits until a request is answered by code.
func (e *edge) answers(t *testing.T, r request, code int) string {
	t.Helper()
	var body string
	envoytest.Eventually(t, patient, func() error {
		got, text, err := e.do(t, r)
		if err == nil && got != code {
			err = fmt.Errorf("%s at %s: %d %q, want %d", r.host, r.sni, got, text, code)
		}
		body = text
		return err
	})
	return body
}

// backends: the certificate is presented, and a new one moves no cluster.
func (e *edge) backends(t *testing.T) {
	at := request{port: e.shared, sni: "example.com", host: "example.com"}
	first := e.answers(t, at, http.StatusOK)
	if strings.Contains(first, "forged") {
		t.Errorf("the backend is told of a certificate by the client: %q", first)
	}
	before := e.envoy.Stats(t, `^cluster_manager\.cluster_(added|modified)$`)
	pair := e.ca.Issue(t, []string{"example.com", "second.example"}, nil)
	e.apply(t, edgePairManifest, encode64(pair.Certificate), encode64(pair.Key))
	envoytest.Eventually(t, patient, func() error {
		_, body, err := e.do(t, at)
		if err == nil && body == first {
			err = fmt.Errorf("the backend sees serial number %s still", body)
		}
		return err
	})
	if after := e.envoy.Stats(t, `^cluster_manager\.cluster_(added|modified)$`); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("clusters were %v and are %v", before, after)
	}
	eventually(t, e.cluster, &gatewayv1.Gateway{}, "edge", "edge", func(o *gatewayv1.Gateway) error {
		return isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed", "ResolvedRefs", "InsecureFrontendValidationMode")
	})
}

func (e *edge) clients(t *testing.T) {
	good := []tls.Certificate{e.ca.Issue(t, []string{"client"}, nil).TLS(t)}
	bad := []tls.Certificate{e.other.Issue(t, []string{"client"}, nil).TLS(t)}
	e.answers(t, request{e.strict, "example.com", "example.com", good}, http.StatusOK)
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "of another CA": bad} {
		if code, _, err := e.do(t, request{e.strict, "example.com", "example.com", certificates}); err == nil {
			t.Errorf("a client with a certificate %s is answered by %d", name, code)
		}
	}
	for _, certificates := range [][]tls.Certificate{good, bad, nil} {
		e.answers(t, request{e.lax, "example.com", "example.com", certificates}, http.StatusOK)
	}
}

func (e *edge) misdirected(t *testing.T) {
	for _, test := range []struct {
		sni, host string
		code      int
	}{
		{"example.com", "example.com", http.StatusOK},
		{"example.com", "second.example", http.StatusMisdirectedRequest},
		{"example.com", "unknown.example", http.StatusNotFound},
		{"second.example", "second.example", http.StatusOK},
		{"second.example", "example.com", http.StatusMisdirectedRequest},
		{"second.example", "unknown.example", http.StatusMisdirectedRequest},
	} {
		e.answers(t, request{port: e.shared, sni: test.sni, host: test.host}, test.code)
	}
}

func (e *edge) listenerSet(t *testing.T) {
	expect(t, e.team, "team.example", http.StatusOK)
	expect(t, e.team, "example.com", http.StatusNotFound)
	set := eventually(t, e.cluster, &gatewayv1.ListenerSet{}, "team", "set", func(o *gatewayv1.ListenerSet) error {
		if len(o.Status.Listeners) != 3 {
			return fmt.Errorf("listeners: %+v", o.Status.Listeners)
		}
		if err := isTrue(o.Generation, o.Status.Listeners[0].Conditions, "Accepted", "Programmed", "ResolvedRefs"); err != nil {
			return err
		}
		return isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed")
	})
	taken, stolen := set.Status.Listeners[1].Conditions, set.Status.Listeners[2].Conditions
	for _, err := range []error{
		says(taken, "Accepted", metav1.ConditionFalse, "HostnameConflict"),
		says(taken, "Programmed", metav1.ConditionFalse, "HostnameConflict"),
		says(taken, "Conflicted", metav1.ConditionTrue, "HostnameConflict"),
		says(stolen, "ResolvedRefs", metav1.ConditionFalse, "RefNotPermitted"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if set.Status.Listeners[0].AttachedRoutes != 1 {
		t.Errorf("%d routes are attached", set.Status.Listeners[0].AttachedRoutes)
	}
	eventually(t, e.cluster, &gatewayv1.Gateway{}, "edge", "edge", func(o *gatewayv1.Gateway) error {
		if n := o.Status.AttachedListenerSets; n == nil || *n != 1 || len(o.Status.Listeners) != 4 {
			return fmt.Errorf("status: %+v", o.Status)
		}
		return nil
	})
	// What makes the controller look again changes nothing, and is not written.
	version := set.ResourceVersion
	e.apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unrelated, namespace: team}\ndata: {ca.crt: x}")
	e.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: later}")
	e.apply(t, strings.Replace(gatewayManifest, "name: http,", "name: later,", 1), "later", envoytest.FreePort(t))
	eventually(t, e.cluster, &gatewayv1.Gateway{}, "later", "later", func(o *gatewayv1.Gateway) error {
		return isTrue(o.Generation, o.Status.Conditions, "Accepted")
	})
	if now := fetch(t, e.cluster, &gatewayv1.ListenerSet{}, "team", "set").ResourceVersion; now != version {
		t.Error("the status is written again")
	}
}

// invalid: without the certificate, the backend is not reached at all.
func (e *edge) invalid(t *testing.T) {
	if err := e.Delete(t.Context(), fetch(t, e.cluster, &corev1.Secret{}, "edge", "server")); err != nil {
		t.Fatal(err)
	}
	expect(t, e.team, "team.example", http.StatusInternalServerError)
	eventually(t, e.cluster, &gatewayv1.Gateway{}, "edge", "edge", func(o *gatewayv1.Gateway) error {
		return says(o.Status.Conditions, "ResolvedRefs", metav1.ConditionFalse, "InvalidClientCertificateRef", "clientCertificateRef", "does not exist")
	})
}
