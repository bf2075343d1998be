package verify

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

// authority makes the certificates of all scenarios.
type authority struct {
	t                              *testing.T
	maker                          *pki.Maker
	root, stranger, expired, early *pki.Pair
	intermediate                   *pki.Pair
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, maker: pki.NewMaker(time.Now, rand.Reader)}
	now := time.Now()
	a.root = a.pair(a.maker.CA(pki.Spec{CommonName: "test root CA"}))
	a.stranger = a.pair(a.maker.CA(pki.Spec{CommonName: "some other CA"}))
	a.expired = a.pair(a.maker.CA(pki.Spec{CommonName: "old CA", NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(-1, 0, 0)}))
	a.early = a.pair(a.maker.CA(pki.Spec{CommonName: "coming CA", NotBefore: now.AddDate(1, 0, 0), NotAfter: now.AddDate(2, 0, 0)}))
	a.intermediate = a.pair(a.maker.Intermediate(a.root, pki.Spec{CommonName: "test intermediate CA"}))
	return a
}

func (a *authority) pair(p *pki.Pair, err error) *pki.Pair {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

// leaf is good for name unless change makes it otherwise.
func (a *authority) leaf(issuer *pki.Pair, name string, change func(*pki.Spec)) tls.Certificate {
	a.t.Helper()
	spec := pki.Spec{CommonName: name, DNSNames: []string{name}}
	if change != nil {
		change(&spec)
	}
	return a.pair(a.maker.Leaf(issuer, spec)).TLS()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func portOfListener(l net.Listener) int32 {
	return int32(l.Addr().(*net.TCPAddr).Port)
}

// serveTLS answers with status over TLS, over HTTP/2 too when config offers it.
func serveTLS(t *testing.T, config *tls.Config, handler http.HandlerFunc) int32 {
	t.Helper()
	return serve(t, tls.NewListener(listen(t), config), handler)
}

func serve(t *testing.T, listener net.Listener, handler http.HandlerFunc) int32 {
	t.Helper()
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("backend: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return portOfListener(listener)
}

func answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, text)
	}
}

func ok() http.HandlerFunc { return answer(http.StatusOK, "hello") }

// together answers nobody before n requests are there; later ones at once. So
// n connections stand open afterwards.
func together(n int) http.HandlerFunc {
	var arrived atomic.Int64
	all := make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == int64(n) {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		ok()(w, r)
	}
}

// serveConns handles raw connections.
func serveConns(t *testing.T, handle func(ctx context.Context, conn *net.TCPConn)) int32 {
	t.Helper()
	listener := listen(t)
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
	return portOfListener(listener)
}

// hang accepts, and never says a word.
func hang(ctx context.Context, conn *net.TCPConn) {
	<-ctx.Done()
	_ = conn.Close()
}

// reset answers a ClientHello with a TCP reset.
func reset(_ context.Context, conn *net.TCPConn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// banner speaks first, and not TLS.
func banner(_ context.Context, conn *net.TCPConn) {
	_, _ = io.WriteString(conn, "220 mail.example.com ESMTP ready\r\n")
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

// closedPort is a port on which nothing listens.
func closedPort(t *testing.T) int32 {
	t.Helper()
	listener := listen(t)
	_ = listener.Close()
	return portOfListener(listener)
}

func requireClient(roots ...*x509.Certificate) func(*tls.Config) {
	return func(c *tls.Config) {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = x509.NewCertPool()
		for _, root := range roots {
			c.ClientCAs.AddCert(root)
		}
	}
}

// behindProxyHeader is a port where connections begin with a PROXY header of
// version 1, which is taken off before the rest goes to the backend.
func behindProxyHeader(t *testing.T, backend int32) int32 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	target := fmt.Sprintf("127.0.0.1:%d", backend)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go passOn(conn, target)
		}
	}()
	return int32(listener.Addr().(*net.TCPAddr).Port)
}

// passOn closes a connection that begins with anything else.
func passOn(conn net.Conn, target string) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	if header, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(header, "PROXY TCP4 ") {
		return
	}
	inner, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = inner.Close() }()
	go func() { _, _ = io.Copy(inner, reader) }()
	_, _ = io.Copy(conn, inner)
}
