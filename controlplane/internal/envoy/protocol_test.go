package envoy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestFixedStatus: the proxy answers by itself.
func TestFixedStatus(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, nil, &ir.Route{
		Name: "misdirected", Match: prefix("/"), Status: http.StatusMisdirectedRequest,
		ResponseHeaders: ir.HeaderMods{Set: []ir.Header{{Name: "X-Why", Value: "100%"}}},
	})
	if got := s.ask(t, http.MethodGet, "/", ""); got.status != http.StatusMisdirectedRequest || got.header.Get("X-Why") != "100%" || got.body != "" {
		t.Errorf("got %+v", got)
	}
}

// TestHTTP2ByPriorKnowledge is appProtocol kubernetes.io/h2c.
func TestHTTP2ByPriorKnowledge(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto) }))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	c := staticCluster("h2c", portOf(server))
	c.HTTP2 = true
	c.SetName()
	s := serve(t, []*ir.Cluster{c}, nil, sending("/", c))
	if got := s.ask(t, http.MethodGet, "/", ""); got.status != http.StatusOK || got.body != "HTTP/2.0" {
		t.Errorf("got %+v", got)
	}
}

// TestWebSocket: an upgraded connection carries bytes both ways, with a route's
// retries and mirrors about.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	}))
	t.Cleanup(echo.Close)
	c := staticCluster("echo", portOf(echo))
	route := sending("/", c)
	route.Forward.Retry = &ir.Retry{Codes: []uint32{503}, Attempts: 2}
	s := serve(t, []*ir.Cluster{c}, nil, route)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	stream, ok := response.Body.(io.ReadWriter)
	if response.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("status %d", response.StatusCode)
	}
	if _, err := io.WriteString(stream, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stream).ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("got %q: %v", line, err)
	}
}
