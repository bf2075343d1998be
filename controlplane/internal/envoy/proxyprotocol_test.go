package envoy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func serverTLS(certificate tls.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
}

// arrived is how a connection to a backend began.
type arrived struct {
	header []byte
	server string
}

// proxied reads a PROXY header, then serves one request by TLS or without. A
// connection that begins otherwise is closed.
func proxied(seen chan<- arrived, config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		reader := bufio.NewReader(conn)
		header, err := proxyHeader(reader)
		if err != nil {
			seen <- arrived{header: []byte(err.Error())}
			return
		}
		var inner net.Conn = &buffered{Conn: conn, reader: reader}
		got := arrived{header: header}
		if config != nil {
			secured := tls.Server(inner, config)
			if err := secured.Handshake(); err != nil {
				seen <- arrived{header: []byte(err.Error())}
				return
			}
			got.server, inner = secured.ConnectionState().ServerName, secured
		}
		if _, err := http.ReadRequest(bufio.NewReader(inner)); err != nil {
			seen <- arrived{header: []byte(err.Error())}
			return
		}
		seen <- got
		_, _ = io.WriteString(inner, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
}

type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }

// signature begins a header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeader reads a header of either version.
func proxyHeader(r *bufio.Reader) ([]byte, error) {
	begin, err := r.Peek(len(signature))
	if err != nil {
		return nil, err
	}
	if string(begin) != signature {
		return r.ReadBytes('\n')
	}
	fixed, err := r.Peek(16)
	if err != nil {
		return nil, err
	}
	header := make([]byte, 16+int(fixed[14])<<8+int(fixed[15]))
	_, err = io.ReadFull(r, header)
	return header, err
}

// TestProxyProtocol: the header with the client's address comes first, and TLS
// after it, never in its place.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "backend")
	trusted := trust("backend", ca)
	seen := make(chan arrived, 10)
	secure := listen(t, proxied(seen, serverTLS(ca.Issue(t, []string{"a.example"}, nil).TLS(t))))
	plain := listen(t, proxied(seen, nil))
	var clusters []*ir.Cluster
	var routes []*ir.Route
	for version, name := range map[int]string{1: "v1", 2: "v2"} {
		unwrapped := clusterAt(name+"-plain", plain, ir.Connection{ProxyProtocol: version})
		wrapped := clusterAt(name+"-tls", secure, ir.Connection{ProxyProtocol: version})
		wrapped.TLS = &ir.UpstreamTLS{SNI: "a.example", SANs: []ir.SAN{{Value: "a.example"}}, TrustBundle: trusted.Name}
		wrapped.SetName()
		clusters = append(clusters, unwrapped, wrapped)
		routes = append(routes, sending("/"+unwrapped.StatName, unwrapped), sending("/"+wrapped.StatName, wrapped))
	}
	s := serve(t, clusters, []*ir.Secret{trusted}, routes...)
	for _, path := range []string{"/v1-plain", "/v1-tls", "/v2-plain", "/v2-tls"} {
		if got := get(t, s, path); got.status != http.StatusOK {
			t.Errorf("%s: %+v", path, got)
		}
		got := <-seen
		isTLS := strings.HasSuffix(path, "-tls")
		if isTLS != (got.server == "a.example") {
			t.Errorf("%s: TLS to %q", path, got.server)
		}
		begins := []byte("PROXY TCP4 127.0.0.1 127.0.0.1 ")
		if strings.HasPrefix(path, "/v2") {
			// A proxied connection of TCP over IPv4, 12 bytes of addresses.
			begins = []byte(signature + "\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01")
		}
		if !bytes.HasPrefix(got.header, begins) {
			t.Errorf("%s: the connection begins with %q", path, got.header)
		}
	}
}
