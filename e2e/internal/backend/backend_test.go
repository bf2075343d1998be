package backend_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
)

type fixture struct {
	server *backend.Server
	pool   *x509.CertPool
	leaf   func(name string) *tls.Config
}

func start(t *testing.T) fixture {
	t.Helper()
	maker := pki.NewMaker(time.Now, rand.Reader)
	ca, err := maker.CA(pki.Spec{CommonName: "CA"})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	leaf := func(name string) *tls.Config {
		t.Helper()
		pair, err := maker.Leaf(ca, pki.Spec{CommonName: name, DNSNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}}
	}
	server, err := backend.Listen(t.Context(), backend.Options{Name: "one", TLS: leaf("a.example")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return fixture{server, pool, leaf}
}

func (f fixture) client(t *testing.T, sni string) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool, ServerName: sni}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (f fixture) get(ctx context.Context, client *http.Client, scheme string) (int, backend.Answer, error) {
	url := fmt.Sprintf("%s://127.0.0.1:%d/x", scheme, f.server.Port())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, backend.Answer{}, err
	}
	request.Host = "host.example"
	response, err := client.Do(request)
	if err != nil {
		return 0, backend.Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, backend.Answer{}, err
	}
	var answer backend.Answer
	if response.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &answer)
	}
	return response.StatusCode, answer, err
}

func TestTLSIsToldFromPlaintext(t *testing.T) {
	t.Parallel()
	f := start(t)
	status, answer, err := f.get(t.Context(), f.client(t, "a.example"), "https")
	want := backend.Answer{Name: "one", Host: "host.example", Path: "/x", SNI: "a.example", Version: "TLS 1.3"}
	if err != nil || status != http.StatusOK || answer != want {
		t.Errorf("over TLS: %d %v %v, want 200 %v", status, answer, err, want)
	}
	if status, _, err := f.get(t.Context(), f.client(t, ""), "http"); err != nil || status != http.StatusBadRequest {
		t.Errorf("in plaintext: %d %v, want 400", status, err)
	}
	if _, _, err := f.get(t.Context(), f.client(t, "b.example"), "https"); err == nil {
		t.Error("a client accepted the certificate of another name")
	}
	wantCounts := backend.Counts{Plaintext: 1, Handshakes: 1, Refused: 1, Requests: 1}
	got := await(t, f.server.Counts, wantCounts)
	if diff := cmp.Diff(wantCounts, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a.example", "b.example"}, f.server.SNIs()); diff != "" {
		t.Errorf("server names (-want +got):\n%s", diff)
	}
}

func TestCertificateIsReplacedWithoutLosingARequest(t *testing.T) {
	t.Parallel()
	f := start(t)
	// Without a server name of its own the client accepts the address only,
	// so it is told to verify by name a, then b.
	a, b := f.client(t, "a.example"), f.client(t, "b.example")
	for range 2 {
		if _, _, err := f.get(t.Context(), a, "https"); err != nil {
			t.Fatal(err)
		}
	}
	f.server.SetTLS(f.leaf("b.example"))
	// The open connection still answers, once; then it is the new one's turn.
	if status, _, err := f.get(t.Context(), a, "https"); err != nil || status != http.StatusOK {
		t.Errorf("on the old connection: %d %v, want 200", status, err)
	}
	if _, _, err := f.get(t.Context(), a, "https"); err == nil {
		t.Error("the old connection was used again")
	}
	if status, _, err := f.get(t.Context(), b, "https"); err != nil || status != http.StatusOK {
		t.Errorf("with the new certificate: %d %v, want 200", status, err)
	}
}

func await[T comparable](t *testing.T, get func() T, want T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if got := get(); got == want || ctx.Err() != nil {
			return got
		}
		<-tick.C
	}
}
