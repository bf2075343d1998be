package envoy_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestOldVersionsNeedOldSuites: with the suites of Envoy's default, no
// handshake below TLS 1.2 can succeed, which the translation therefore refuses.
func TestOldVersionsNeedOldSuites(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "ca")
	backend := envoytest.StartBackend(t, "old", ca.Issue(t, []string{"example.com"}, nil))
	backend.Demand(&tls.Config{
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	})
	trust := &ir.Secret{Name: "trust/a", Kind: ir.SecretTrustBundle, Certificates: ca.PEM}
	old := func(name, version string, suites ...string) *ir.Cluster {
		c := staticCluster(name, backend.Port)
		c.TLS = &ir.UpstreamTLS{
			SNI: "example.com", SANs: []ir.SAN{{Type: ir.SANDNS, Value: "example.com"}}, TrustBundle: trust.Name,
			MinVersion: version, MaxVersion: version, CipherSuites: suites,
		}
		c.SetName()
		return c
	}
	var clusters []*ir.Cluster
	var routes []*ir.Route
	want := map[string]int{}
	for _, version := range []string{"1.0", "1.1"} {
		bare, named := old("bare-"+version, version), old("named-"+version, version, "ECDHE-ECDSA-AES128-SHA")
		clusters = append(clusters, bare, named)
		routes = append(routes, sending("/bare-"+version, bare), sending("/named-"+version, named))
		want["/bare-"+version], want["/named-"+version] = http.StatusServiceUnavailable, http.StatusOK
	}
	s := serve(t, clusters, []*ir.Secret{trust}, routes...)
	got := map[string]int{}
	for path := range want {
		got[path] = s.ask(t, http.MethodGet, path, "").status
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestOwnNamesAreDNSNames: where endpoints are verified by their own names, an
// address is not, even if the certificate has it. The status says so.
func TestOwnNamesAreDNSNames(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "ca")
	backend := envoytest.StartBackend(t, "own", ca.IssueHost(t, "localhost", net.ParseIP("127.0.0.1")))
	trust := &ir.Secret{Name: "trust/a", Kind: ir.SecretTrustBundle, Certificates: ca.PEM}
	own := func(name, host string) *ir.Cluster {
		c := &ir.Cluster{
			StatName: name, Discovery: ir.DiscoverDNS, Endpoints: []ir.Endpoint{{Host: host, Port: backend.Port}},
			TLS: &ir.UpstreamTLS{AutoSNI: true, TrustBundle: trust.Name},
		}
		c.SetName()
		return c
	}
	name, address := own("name", "localhost"), own("address", "127.0.0.1")
	s := serve(t, []*ir.Cluster{name, address}, []*ir.Secret{trust}, sending("/name", name), sending("/address", address))
	if got := s.ask(t, http.MethodGet, "/name", ""); got.status != http.StatusOK {
		t.Errorf("by its name: %+v", got)
	}
	if got := s.ask(t, http.MethodGet, "/address", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("by its address: %+v", got)
	}
}

// TestWindowsByDefault reads what Envoy announces where no policy says anything:
// the defaults that the API's descriptions give.
func TestWindowsByDefault(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	type windows struct{ stream, connection uint32 }
	seen := make(chan windows, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		const preface, headerSize, ownWindow = 24, 9, 65535
		_, _ = io.CopyN(io.Discard, conn, preface)
		got := windows{}
		for got.stream == 0 || got.connection == 0 {
			header := make([]byte, headerSize)
			if _, err := io.ReadFull(conn, header); err != nil {
				break
			}
			payload := make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
			if _, err := io.ReadFull(conn, payload); err != nil {
				break
			}
			switch header[3] {
			case 4: // SETTINGS
				for i := 0; i+6 <= len(payload); i += 6 {
					if binary.BigEndian.Uint16(payload[i:]) == 4 {
						got.stream = binary.BigEndian.Uint32(payload[i+2:])
					}
				}
			case 8: // WINDOW_UPDATE
				got.connection = ownWindow + binary.BigEndian.Uint32(payload)
			}
		}
		seen <- got
	}()
	c := staticCluster("h2", uint16(listener.Addr().(*net.TCPAddr).Port))
	c.HTTP2 = true
	c.SetName()
	s := serve(t, []*ir.Cluster{c}, nil, sending("/", c))
	s.ask(t, http.MethodGet, "/", "")
	if got, want := <-seen, (windows{16 << 20, 24 << 20}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
