//go:build e2e

package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// An HTTPS listener terminates TLS with the certificate of its Secret, and TLS
// is originated anew to the backend. A new certificate is served without a
// restart, and without its Secret the listener says so in status.
func TestHTTPSListener(t *testing.T) {
	s := shared(t)
	a := s.app(t, s.namespace(t, "https"), "app")
	a.start(t)
	certificate := func() *pki.Pair {
		t.Helper()
		p := pair(t)(s.certs.Leaf(s.public, pki.Spec{CommonName: a.host, DNSNames: []string{a.host}}))
		key, err := p.Key().PEM()
		if err != nil {
			t.Fatal(err)
		}
		a.apply(t, "listener-certificate", "CERTIFICATE", text(p.CertPEM()), "KEY", text(key))
		return p
	}
	first := certificate()
	port := freePort(t)
	s.addListener(t, fmt.Sprintf(`{"name":"https","protocol":"HTTPS","port":%d,"hostname":%q,
		"allowedRoutes":{"namespaces":{"from":"All"}},"tls":{"certificateRefs":[{"name":"%s-listener"}]}}`, port, a.host, a.name))

	s.awaitServed(t, a.host, port, first)
	second := certificate()
	s.awaitServed(t, a.host, port, second)
	if counts := a.Counts(); counts.Plaintext > 0 {
		t.Errorf("the backend counts %+v: plaintext", counts)
	}

	a.delete(t, "listener-certificate", "CERTIFICATE", `""`, "KEY", `""`)
	poll.Until(t, soon, "the listener says that its certificate is missing", func() (bool, string) {
		reason, err := s.listenerReason(t.Context(), "https", "ResolvedRefs")
		return reason == "InvalidCertificateRef", fmt.Sprintf("reason %q, error %v", reason, err)
	})
	// The other listener of the Gateway goes on.
	s.await(t, a.host, http.StatusOK)
}

// awaitServed waits until the gateway serves that certificate, and with it an
// answer of the backend.
func (s *suite) awaitServed(t *testing.T, host string, port int, want *pki.Pair) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.public.Certificate())
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: host},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", port))
		},
	}
	poll.Until(t, soon, "200 through the HTTPS listener with the certificate of the Secret", func() (bool, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
		if err != nil {
			return false, err.Error()
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		served := response.TLS.PeerCertificates[0]
		return response.StatusCode == http.StatusOK && served.Equal(want.Certificate()),
			fmt.Sprintf("%s with certificate %s, want %s", response.Status, served.SerialNumber, want.Certificate().SerialNumber)
	})
}

// addListener adds a listener to the dev Gateway, for this test only.
func (s *suite) addListener(t *testing.T, listener string) {
	t.Helper()
	gateway := ref("Gateway", contract.DevGatewayNamespace, contract.DevGatewayName)
	patch := func(ctx context.Context, patch string) error {
		return s.Client.Patch(ctx, gateway, client.RawPatch(types.JSONPatchType, []byte(patch)))
	}
	t.Cleanup(func() {
		if err := patch(context.WithoutCancel(t.Context()), `[{"op":"remove","path":"/spec/listeners/1"}]`); err != nil {
			t.Error(err)
		}
	})
	if err := patch(t.Context(), fmt.Sprintf(`[{"op":"add","path":"/spec/listeners/1","value":%s}]`, listener)); err != nil {
		t.Fatal(err)
	}
}

// listenerReason is the reason of a condition of a listener of the dev Gateway.
func (s *suite) listenerReason(ctx context.Context, listener, condition string) (string, error) {
	gateway := ref("Gateway", contract.DevGatewayNamespace, contract.DevGatewayName)
	if err := s.Client.Get(ctx, client.ObjectKeyFromObject(gateway), gateway); err != nil {
		return "", err
	}
	listeners, _, err := unstructured.NestedSlice(gateway.Object, "status", "listeners")
	if err != nil {
		return "", err
	}
	for _, l := range listeners {
		status, ok := l.(map[string]any)
		if !ok || status["name"] != listener {
			continue
		}
		conditions, _, err := unstructured.NestedSlice(status, "conditions")
		if err != nil {
			return "", err
		}
		for _, c := range conditions {
			if fields, ok := c.(map[string]any); ok && fields["type"] == condition {
				return fmt.Sprint(fields["reason"]), nil
			}
		}
	}
	return "", nil
}

// freePort is a port of loopback that nobody has.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%s is no TCP address", listener.Addr())
	}
	return address.Port
}
