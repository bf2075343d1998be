package originate

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// broken is a TLS set-up that must be found before anything is applied.
type broken struct {
	setUp  func(t *testing.T, clients *kube.Clients)
	target string
	args   []string
	code   int
	want   []string
}

// good makes a backend whose CA is in configmap/ca.
func good(t *testing.T, clients *kube.Clients) {
	t.Helper()
	ca := authority(t, "Test CA")
	backendOf(t, clients, leaf(t, ca, "example.com"))
	kubetest.Create(t, clients, configMap("ca", string(ca.CertPEM())))
}

func escaped(pem []byte) string { return strings.ReplaceAll(string(pem), "+", "&#43;") }

// plusCA is a CA whose PEM has a "+" that can be escaped.
func plusCA(t *testing.T, spec pki.Spec) *pki.Pair {
	t.Helper()
	for {
		ca := pair(t)(maker().CA(spec))
		if strings.Contains(string(ca.CertPEM()), "+") {
			return ca
		}
	}
}

func expiredSpec(name string) pki.Spec {
	return pki.Spec{CommonName: name, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
}

func zoo() map[string]broken {
	return map[string]broken{
		"1 another name": {setUp: good, args: []string{"--sni", "other.example"}, code: 1, want: []string{
			"is not for other.example", "expected   SAN other.example", "presented  SAN example.com", "--sni example.com"}},
		"2 another CA": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				backendOf(t, c, leaf(t, authority(t, "CA one"), "example.com"))
				kubetest.Create(t, c, configMap("ca", string(authority(t, "CA two").CertPEM())))
			},
			want: []string{"CN=CA one", "not in configmap/ca", "fix: kubectl tlsgw originate svc/nginx --sni example.com"}},
		"2 nothing verifies": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				backendOf(t, c, leaf(t, authority(t, "CA one"), "example.com"))
				kubetest.Create(t, c, configMap("ca", string(authority(t, "CA two").CertPEM())))
			},
			want: []string{"nothing verifies svc/nginx", "SHA-256", "CN=CA one, which is not in configmap/ca", "--ca-from backend"}},
		"3 expired certificate": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				ca := authority(t, "Test CA")
				backendOf(t, c, pair(t)(maker().Leaf(ca, expiredSpec("example.com"))))
				kubetest.Create(t, c, configMap("ca", string(ca.CertPEM())))
			},
			want: []string{"certificate expired on", "configmap/ca"}},
		"4 expired CA": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				self := pair(t)(maker().SelfSigned(expiredSpec("example.com")))
				backendOf(t, c, self)
				kubetest.Create(t, c, configMap("ca", string(self.CertPEM())))
			},
			want: []string{"configmap/ca expired on", "--ca-from backend"}},
		"5 HTML-escaped and expired": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/old"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				old := plusCA(t, expiredSpec("Old CA"))
				kubetest.Create(t, c, configMap("old", escaped(old.CertPEM())))
			},
			want: []string{`"&#43;"`, "the repaired bundle is valid: CN=Old CA, but it expired on", "--ca-from backend"}},
		"5 HTML-escaped": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				ca := plusCA(t, pki.Spec{CommonName: "Test CA"})
				backendOf(t, c, leaf(t, ca, "example.com"))
				kubetest.Create(t, c, configMap("ca", escaped(ca.CertPEM())))
			},
			want: []string{"configmap/ca key ca.crt is not PEM", `"&#43;"`, "HTML-escaped", "the repaired bundle is valid", "--force"}},
		"6 plaintext": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				port := serve(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") })
				kubetest.Service(t, c, "nginx", 8080, port)
				kubetest.Create(t, c, configMap("ca", string(authority(t, "Test CA").CertPEM())))
			},
			want: []string{"speaks plaintext", "400 Bad Request"}},
		"6 plaintext, discovering": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				port := serve(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") })
				kubetest.Service(t, c, "nginx", 8080, port)
			},
			want: []string{"speaks plaintext"}},
		"7 TLS 1.1 only": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: versioned(tls.VersionTLS11), want: []string{"speaks no version of TLS from 1.2", "it speaks TLS 1.1", "--min-tls 1.1 --cipher ECDHE-"}},
		"7 TLS 1.1 without its cipher": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca", "--min-tls", "1.1"},
			setUp: versioned(tls.VersionTLS11), want: []string{"none of the cipher suites that Envoy would offer", "--cipher ECDHE-"}},
		"7 1.3 asked, 1.2 spoken": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca", "--min-tls", "1.3"},
			setUp: versioned(tls.VersionTLS12), want: []string{"from 1.3", "it speaks TLS 1.2", "--min-tls 1.2"}},
		"9 intermediate missing": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				root := authority(t, "Root")
				middle := pair(t)(maker().Intermediate(root, pki.Spec{CommonName: "Intermediate CA"}))
				served := leaf(t, middle, "example.com").TLS()
				served.Certificate = served.Certificate[:1]
				kubetest.Service(t, c, "nginx", 8443, serveTLS(t, &tls.Config{Certificates: []tls.Certificate{served}}))
				kubetest.Create(t, c, configMap("ca", string(root.CertPEM())))
			},
			want: []string{"does not present", "Intermediate CA"}},
		"10 no such ConfigMap": {setUp: good, code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/cb"},
			want: []string{"configmap/cb does not exist", "--ca-from configmap/ca"}},
		"10 no such key": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/keys"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				ca := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Data: map[string]string{"tls.crt": "x", "root.pem": string(authority(t, "Other").CertPEM())}}
				kubetest.Create(t, c, ca)
			},
			want: []string{"configmap/keys has no key ca.crt", "it has: root.pem, tls.crt", "--ca-from configmap/keys:root.pem"}},
		"10 empty": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/none"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				kubetest.Create(t, c, configMap("none", ""))
			},
			want: []string{"configmap/none key ca.crt is empty"}},
		"10 a private key": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/key", "--force"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				key, err := leaf(t, authority(t, "Other"), "a").Key().PEM()
				if err != nil {
					t.Fatal(err)
				}
				kubetest.Create(t, c, configMap("key", string(key)))
			},
			want: []string{"configmap/key key ca.crt", "holds a private key"}},
		"11 another policy": {code: 1, args: []string{"--sni", "example.com"}, setUp: withTLSPolicy,
			want: []string{"BackendTLSPolicy/by-hand already says", "the older one wins", "kubectl delete backendtlspolicy"}},
		"11 a policy of the other kind": {code: 1, args: []string{"--sni", "example.com"}, setUp: withConfigPolicy,
			want: []string{"BackendConfigPolicy/by-hand already says", "kubectl delete backendconfigpolicy"}},
		"12 no such port": {setUp: good, code: 1, args: []string{"--sni", "example.com", "--port", "htps"},
			want: []string{"svc/nginx has no port htps", "https 8443/TCP", "--port https"}},
		"12 no such Service": {setUp: good, target: "svc/ngnix", code: 1, args: []string{"--sni", "example.com"},
			want: []string{"svc/ngnix does not exist", "originate svc/nginx --sni example.com"}},
		"14 no endpoints": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				kubetest.Service(t, c, "nginx", 8443, 0)
				kubetest.Create(t, c, configMap("ca", string(authority(t, "Test CA").CertPEM())))
			},
			want: []string{"svc/nginx port 8443 has no ready endpoints", "kubectl get endpointslices"}},
		"14 nothing listens": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/ca"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				kubetest.Service(t, c, "nginx", 8443, closedPort(t))
				kubetest.Create(t, c, configMap("ca", string(authority(t, "Test CA").CertPEM())))
			},
			want: []string{"svc/nginx refuses connections"}},
		"14 nothing listens, and no CA": {code: 1, args: []string{"--sni", "example.com", "--ca-from", "configmap/later"},
			setUp: func(t *testing.T, c *kube.Clients) { t.Helper(); kubetest.Service(t, c, "nginx", 8443, closedPort(t)) },
			want:  []string{"configmap/later does not exist", "fix: kubectl get configmaps,secrets -n ", "name one that holds the CA with --ca-from"}},
		"a UDP port": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				kubetest.Create(t, c, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "nginx"},
					Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}}}})
			},
			want: []string{"port dns is UDP"}},
		"several ports": {code: 2, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				kubetest.Create(t, c, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "nginx"},
					Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}, {Name: "admin", Port: 8443}}}})
			},
			want: []string{"several ports", "https 443/TCP, admin 8443/TCP", "--port https"}},
		"no server name": {setUp: good, code: 2, want: []string{"--sni is needed", "its certificate is for example.com", "--sni example.com"}},
		"a client certificate": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				ca := authority(t, "Test CA")
				config := &tls.Config{Certificates: []tls.Certificate{leaf(t, ca, "example.com").TLS()}, ClientAuth: tls.RequireAnyClientCert}
				kubetest.Service(t, c, "nginx", 8443, serveTLS(t, config))
				kubetest.Create(t, c, configMap("ca", string(ca.CertPEM())))
			},
			want: []string{"wants a client certificate", "--client-cert secret/NAME"}},
		"two candidates": {code: 2, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				ca := &corev1.ConfigMap{}
				if err := c.Client.Get(t.Context(), keyOf(c, "ca"), ca); err != nil {
					t.Fatal(err)
				}
				both := ca.Data["ca.crt"] + string(authority(t, "Other").CertPEM())
				kubetest.Create(t, c, configMap("both", both))
			},
			want: []string{"several objects", "configmap/both", "configmap/ca", "--ca-from configmap/both"}},
		"no such Gateway": {setUp: good, code: 1, args: []string{"--sni", "example.com", "--expose", "example.com", "--gateway", "nowhere/http"},
			want: []string{"gateway nowhere/http does not exist"}},
		"a policy of that name by hand": {code: 1, args: []string{"--sni", "example.com"},
			setUp: func(t *testing.T, c *kube.Clients) {
				t.Helper()
				good(t, c)
				kubetest.Create(t, c, tlsPolicy("nginx-tls-policy"))
			},
			want: []string{"backendtlspolicy/nginx-tls-policy exists and was not made by originate", "--force"}},
		"no such file": {setUp: good, code: 2, args: []string{"--sni", "example.com", "--ca-from", "missing.pem"},
			want: []string{"--ca-from missing.pem cannot be read", "no such file"}},
		"backend trust without a terminal": {setUp: good, code: 2, args: []string{"--sni", "example.com", "--ca-from", "backend"},
			want: []string{"nobody can answer", "SHA-256", "--yes"}},
		"no such Backend": {target: "backend/x", code: 1, args: []string{"--sni", "example.com", "--system-ca"},
			want: []string{"backend/x does not exist"}},
	}
}

func keyOf(c *kube.Clients, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: c.Namespace, Name: name}
}

func closedPort(t *testing.T) int32 {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

func versioned(version uint16) func(*testing.T, *kube.Clients) {
	return func(t *testing.T, c *kube.Clients) {
		t.Helper()
		ca := authority(t, "Test CA")
		config := &tls.Config{Certificates: []tls.Certificate{leaf(t, ca, "example.com").TLS()}, MinVersion: tls.VersionTLS10, MaxVersion: version}
		kubetest.Service(t, c, "nginx", 8443, serveTLS(t, config))
		kubetest.Create(t, c, configMap("ca", string(ca.CertPEM())))
	}
}

func tlsPolicy(name string) *gatewayv1.BackendTLSPolicy {
	return &gatewayv1.BackendTLSPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: gatewayv1.BackendTLSPolicySpec{
		TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
			LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: "nginx"}}},
		Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: "a.example",
			CACertificateRefs: []gatewayv1.LocalObjectReference{{Kind: "ConfigMap", Name: "ca"}}},
	}}
}

func withTLSPolicy(t *testing.T, c *kube.Clients) {
	t.Helper()
	good(t, c)
	kubetest.Create(t, c, tlsPolicy("by-hand"))
}

func withConfigPolicy(t *testing.T, c *kube.Clients) {
	t.Helper()
	good(t, c)
	system := v1alpha1.WellKnownCACertificatesSystem
	kubetest.Create(t, c, &v1alpha1.BackendConfigPolicy{ObjectMeta: metav1.ObjectMeta{Name: "by-hand"},
		Spec: v1alpha1.BackendConfigPolicySpec{
			TargetRefs: []v1alpha1.TargetRef{{Kind: "Service", Name: "nginx"}},
			TLS:        &v1alpha1.TLS{WellKnownCACertificates: &system},
		}})
}

// TestPreflight: each broken set-up is found, its text says what and how to
// go on, and nothing is left in the cluster.
func TestPreflight(t *testing.T) {
	t.Parallel()
	for name, test := range zoo() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := cluster.Clients(t)
			if test.setUp != nil {
				test.setUp(t, clients)
			}
			target := test.target
			if target == "" {
				target = "svc/nginx"
			}
			got := invocation{clients: clients}.originate(t, target, append(test.args, "--wait=false")...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			for _, text := range append(test.want, "nothing was changed", "error: ", "fix: ") {
				if !strings.Contains(got.stderr, text) {
					t.Errorf("output lacks %q", text)
				}
			}
			if left := made(t, clients); len(left) > 0 {
				t.Errorf("left in the cluster: %v", left)
			}
			if t.Failed() {
				t.Logf("output:\n%s", got.text())
			}
		})
	}
}
