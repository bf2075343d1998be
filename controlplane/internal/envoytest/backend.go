package envoytest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Backend is an HTTP server on one port of loopback that speaks TLS or
// plaintext, as the client does, and counts both.
type Backend struct {
	// Port is where it listens.
	Port uint16

	name        string
	server      *http.Server
	certificate atomic.Pointer[tls.Certificate]
	demands     atomic.Pointer[tls.Config]
	last        atomic.Pointer[tls.ConnectionState]
	tls, plain  atomic.Int64
}

// StartBackend runs a backend that answers each request with its name, the
// method, host and path of the request and the header X-Seen.
func StartBackend(tb testing.TB, name string, pair Pair) *Backend {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("start backend %q: %v", name, err)
	}
	b := &Backend{Port: listener.Addr().(*net.TCPAddr).AddrPort().Port(), name: name}
	b.Present(tb, pair)
	b.Demand(&tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(&sniffingListener{Listener: listener, config: b.tlsConfig()}) }()
	tb.Cleanup(func() { _ = b.server.Close() })
	return b
}

// OneEach has each request of HTTP/1.1 come on a connection of its own.
func (b *Backend) OneEach() { b.server.SetKeepAlivesEnabled(false) }

// Present changes the certificate that new connections see.
func (b *Backend) Present(tb testing.TB, pair Pair) {
	tb.Helper()
	certificate := pair.TLS(tb)
	b.certificate.Store(&certificate)
}

// Demand has new connections served by a configuration, but for the
// certificate.
func (b *Backend) Demand(config *tls.Config) { b.demands.Store(config) }

// Last is the connection of the last request over TLS; nil before there was
// one.
func (b *Backend) Last() *tls.ConnectionState { return b.last.Load() }

// Counts are the requests so far that came over TLS and in plaintext.
func (b *Backend) Counts() (tls, plain int64) { return b.tls.Load(), b.plain.Load() }

// ServeHTTP answers.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS != nil {
		b.tls.Add(1)
		b.last.Store(r.TLS)
	} else {
		b.plain.Add(1)
	}
	w.Header().Set("X-Backend", b.name)
	w.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprintf(w, "%s %s %s%s %s", //nolint:gosec // It is plain text.
		b.name, r.Method, r.Host, r.URL.RequestURI(), r.Header.Get("X-Seen"))
}

func (b *Backend) tlsConfig() *tls.Config {
	return &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			config := b.demands.Load().Clone()
			config.Certificates = []tls.Certificate{*b.certificate.Load()}
			return config, nil
		},
	}
}

// sniffingListener serves TLS to connections that begin with a handshake.
type sniffingListener struct {
	net.Listener
	config *tls.Config
}

// Accept wraps; the first byte is read when the server first reads, so that a
// silent client holds up nobody.
func (l *sniffingListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		reader := bufio.NewReader(conn)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		first, err := reader.Peek(1)
		if err != nil {
			_ = conn.Close()
			continue
		}
		_ = conn.SetReadDeadline(time.Time{})
		peeked := &peekedConn{Conn: conn, reader: reader}
		if first[0] == tlsHandshake {
			return tls.Server(peeked, l.config), nil
		}
		return peeked, nil
	}
}

const tlsHandshake = 0x16

type peekedConn struct {
	net.Conn
	reader *bufio.Reader
}

// Read gives the peeked byte first.
func (c *peekedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }
