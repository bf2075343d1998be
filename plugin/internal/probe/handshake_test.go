package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

// backend listens on loopback and hands each connection to handle.
func backend(t *testing.T, handle func(context.Context, *net.TCPConn)) Dialer {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	ctx := t.Context()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(ctx, conn.(*net.TCPConn))
		}
	}()
	return dialTo(listener.Addr().String())
}

func dialTo(address string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

func server(t *testing.T, change func(*tls.Config)) Dialer {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS10}
	change(config)
	return backend(t, func(_ context.Context, conn *net.TCPConn) {
		secure := tls.Server(conn, config)
		_, _ = io.Copy(io.Discard, secure)
		_ = secure.Close()
	})
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	maker := pki.NewMaker(time.Now, rand.Reader)
	pair, err := maker.SelfSigned(pki.Spec{CommonName: "example.com", DNSNames: []string{"example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	return pair.TLS()
}

func shake(t *testing.T, dial Dialer, hello Hello) (*Presented, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Handshake(ctx, conn, hello)
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	dial := server(t, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	got, err := shake(t, dial, Hello{ServerName: "example.com", ALPN: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Chain) != 1 || got.Chain[0].DNSNames[0] != "example.com" {
		t.Errorf("chain %v", got.Chain)
	}
	if got.Version != tls.VersionTLS13 || got.CipherSuite == 0 || got.ALPN != "h2" || got.AsksClientCertificate {
		t.Errorf("got %+v", got)
	}
}

func TestHandshakeSpeaksOldVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		got, err := shake(t, server(t, func(c *tls.Config) { c.MaxVersion = version }), Hello{})
		if err != nil || got.Version != version {
			t.Errorf("%s: %+v, %v", tls.VersionName(version), got, err)
		}
	}
}

func TestHandshakeFailures(t *testing.T) {
	t.Parallel()
	says := func(text string) func(context.Context, *net.TCPConn) {
		return func(_ context.Context, conn *net.TCPConn) {
			_, _ = conn.Read(make([]byte, 64))
			_, _ = io.WriteString(conn, text)
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}
	pool := x509.NewCertPool()
	requires := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool }
	for name, test := range map[string]struct {
		dial  Dialer
		hello Hello
		want  Failure
	}{
		"HTTP":     {backend(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), Hello{}, NotTLS},
		"closes":   {backend(t, says("")), Hello{}, Closed},
		"resets":   {backend(t, resets), Hello{}, Reset},
		"silent":   {backend(t, func(ctx context.Context, c *net.TCPConn) { <-ctx.Done(); _ = c.Close() }), Hello{}, Timeout},
		"old":      {server(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }), Hello{MinVersion: tls.VersionTLS12}, ProtocolVersion},
		"new":      {server(t, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), Hello{MaxVersion: tls.VersionTLS12}, ProtocolVersion},
		"protocol": {server(t, func(c *tls.Config) { c.NextProtos = []string{"h2"} }), Hello{ALPN: []string{"acme-tls/1"}}, NoApplicationProtocol},
		"cipher": {server(t, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}), Hello{CipherSuites: CipherSuites(nil)}, HandshakeRefused},
		"name": {server(t, func(c *tls.Config) {
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}), Hello{ServerName: "x.test"}, UnrecognizedName},
		"client certificate, 1.3": {server(t, requires), Hello{}, CertificateRequired},
		"client certificate, 1.2": {server(t, requires), Hello{MaxVersion: tls.VersionTLS12}, CertificateRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := shake(t, test.dial, test.hello)
			var failure *HandshakeError
			if !errors.As(err, &failure) || failure.Failure != test.want {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if test.want == NotTLS && !strings.HasPrefix(failure.Answer, "HTTP/1.1 400 Bad Request") {
				t.Errorf("answer %q", failure.Answer)
			}
			if test.want == CertificateRequired && (failure.Presented == nil || len(failure.Presented.Chain) == 0) {
				t.Error("the chain was not kept")
			}
		})
	}
}

func resets(_ context.Context, conn *net.TCPConn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// TestOptionalClientCertificate: a server that asks and goes on without one
// is no failure.
func TestOptionalClientCertificate(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		got, err := shake(t, server(t, func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequestClientCert, version
		}), Hello{})
		if err != nil || !got.AsksClientCertificate {
			t.Errorf("%s: %+v, %v", tls.VersionName(version), got, err)
		}
	}
}

func TestClientCertificateIsSent(t *testing.T) {
	t.Parallel()
	own := certificate(t)
	got, err := shake(t, server(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), Hello{ClientCertificate: &own})
	if err != nil || !got.AsksClientCertificate {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestClassifyDial(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	_, refused := dialTo(listener.Addr().String())(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, late := dialTo(listener.Addr().String())(ctx)
	for _, test := range []struct {
		err  error
		want Failure
	}{
		{refused, Refused}, {late, Timeout}, {context.DeadlineExceeded, Timeout},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, NameNotResolved},
		{&net.DNSError{Err: "timeout", IsTimeout: true}, Timeout},
		{io.EOF, Closed}, {errors.New("odd"), Other},
	} {
		if got := ClassifyDial(test.err); got != test.want {
			t.Errorf("%v: %s, want %s", test.err, got, test.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable([]byte(" a\r\n\tb\x1b[2J\xffc  ")); got != "a b.[2J.c" {
		t.Errorf("got %q", got)
	}
}

func TestCipherSuites(t *testing.T) {
	t.Parallel()
	if got := CipherSuites([]string{"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]", "no such"}); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := CipherName(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA); got != "ECDHE-ECDSA-AES128-SHA" {
		t.Errorf("name is %q", got)
	}
	if got := CipherName(tls.TLS_AES_128_GCM_SHA256); got != "" {
		t.Errorf("a cipher of TLS 1.3 has the name %q", got)
	}
	if got := CipherSuites(nil); len(got) != 6 {
		t.Errorf("default: got %v", got)
	}
}
