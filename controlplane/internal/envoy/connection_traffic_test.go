package envoy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// number, period and flag are values of settings that are set.
func number(n uint32) *uint32                    { return &n }
func period(d time.Duration) *time.Duration      { return &d }
func yes() *bool                                 { b := true; return &b }
func only(c *ir.Cluster) []*ir.Cluster           { return []*ir.Cluster{c} }
func get(t *testing.T, s *site, p string) answer { t.Helper(); return s.ask(t, http.MethodGet, p, "") }

// tuned gives a cluster of the servers some settings.
func tuned(name string, connection ir.Connection, servers ...*httptest.Server) *ir.Cluster {
	c := &ir.Cluster{StatName: name, Discovery: ir.DiscoverStatic, Connection: &connection}
	for _, server := range servers {
		c.Endpoints = append(c.Endpoints, ir.Endpoint{Host: "127.0.0.1", Port: portOf(server)})
	}
	c.SetName()
	return c
}

func start(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// TestCircuitBreaker: what is above the limits fails at once, and says why.
func TestCircuitBreaker(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := start(t, func(http.ResponseWriter, *http.Request) { <-release })
	c := tuned("limited", ir.Connection{CircuitBreakers: &ir.CircuitBreakers{
		MaxConnections: number(1), MaxPendingRequests: number(1), TrackRemaining: yes(),
	}}, server)
	s := serve(t, only(c), nil, sending("/", c))
	var done sync.WaitGroup
	var overloaded, fine atomic.Int32
	const n = 12
	for range n {
		done.Go(func() {
			switch got := get(t, s, "/"); {
			case got.status == http.StatusServiceUnavailable && got.header.Get("X-Envoy-Overloaded") == "true":
				overloaded.Add(1)
			case got.status == http.StatusOK:
				fine.Add(1)
			default:
				t.Errorf("got %+v", got)
			}
		})
	}
	// Each of the two workers may have a connection, and one request waits.
	envoytest.Eventually(t, 10*time.Second, func() error {
		if got := overloaded.Load(); got < n-3 {
			return fmt.Errorf("%d are turned away", got)
		}
		return nil
	})
	if got := s.envoy.Stats(t, `cluster\.limited\.circuit_breakers\.default\.remaining_pending`); len(got) != 1 {
		t.Errorf("what remains is not published: %v", got)
	}
	close(release)
	done.Wait()
	if fine.Load() == 0 {
		t.Error("no request is served")
	}
}

// TestOutlierDetection takes a backend out whose answers are bad.
func TestOutlierDetection(t *testing.T) {
	t.Parallel()
	bad := start(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	good := start(t, func(http.ResponseWriter, *http.Request) {})
	c := tuned("outlier", ir.Connection{OutlierDetection: &ir.OutlierDetection{
		Consecutive5xx: number(2), MaxEjectionPercent: number(100), BaseEjectionTime: period(time.Hour),
	}}, bad, good)
	s := serve(t, only(c), nil, sending("/", c))
	envoytest.Eventually(t, 10*time.Second, func() error {
		get(t, s, "/")
		if got := s.envoy.Stat(t, "cluster.outlier.outlier_detection.ejections_active"); got != 1 {
			return fmt.Errorf("%d are out", got)
		}
		return nil
	})
	for range 20 {
		if got := get(t, s, "/"); got.status != http.StatusOK {
			t.Fatalf("the bad backend is asked: %d", got.status)
		}
	}
}

// TestRequestsPerConnection counts connections at the backend.
func TestRequestsPerConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var connections atomic.Int32
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := tuned("few", ir.Connection{HTTP: &ir.HTTPOptions{MaxRequestsPerConnection: number(2)}}, server)
	s := serve(t, only(c), nil, sending("/", c))
	for range 10 {
		get(t, s, "/")
	}
	if got := connections.Load(); got < 5 {
		t.Errorf("10 requests came by %d connections", got)
	}
}

// TestMaxStreamDuration ends an exchange that takes too long.
func TestMaxStreamDuration(t *testing.T) {
	t.Parallel()
	server := start(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := tuned("slow", ir.Connection{HTTP: &ir.HTTPOptions{MaxStreamDuration: period(200 * time.Millisecond)}}, server)
	s := serve(t, only(c), nil, sending("/", c))
	if got := get(t, s, "/"); got.status < 500 {
		t.Errorf("got %+v", got)
	}
	if got := s.envoy.Stat(t, "cluster.slow.upstream_rq_max_duration_reached"); got != 1 {
		t.Errorf("%d exchanges were ended", got)
	}
}

// TestHeaderCase reads what is sent: names keep their case both ways where a
// policy asks for it, and are in lower case where none does.
func TestHeaderCase(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 100)
	listener := listen(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		reader := bufio.NewReader(conn)
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
			if line == "\r\n" {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-AnSwer: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				return
			}
		}
	})
	for _, c := range []*ir.Cluster{
		clusterAt("kept", listener, ir.Connection{HTTP1: &ir.HTTP1Options{PreserveHeaderCase: yes()}}),
		clusterAt("lower", listener, ir.Connection{}),
	} {
		s := serve(t, only(c), nil, sending("/", c))
		rawAnswer := rawRequest(t, s, "GET / HTTP/1.1\r\nHost: a\r\nX-MiXed: 1\r\nConnection: close\r\n\r\n")
		isKept := c.StatName == "kept"
		if got := headerLine(lines, "x-mixed"); (got == "X-MiXed: 1\r\n") != isKept {
			t.Errorf("%s: the backend got %q", c.StatName, got)
		}
		if strings.Contains(rawAnswer, "X-AnSwer: 1") != isKept {
			t.Errorf("%s: the client got %q", c.StatName, rawAnswer)
		}
	}
}

// headerLine is the line of a header, among those up to the empty one.
func headerLine(lines chan string, name string) string {
	found := ""
	for line := range lines {
		if line == "\r\n" {
			break
		}
		if strings.HasPrefix(strings.ToLower(line), name+":") {
			found = line
		}
	}
	return found
}

func rawRequest(t *testing.T, s *site, request string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// listen handles connections until the test ends.
func listen(t *testing.T, handle func(net.Conn)) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(conn)
		}
	}()
	return listener
}

func clusterAt(name string, listener net.Listener, connection ir.Connection) *ir.Cluster {
	port := listener.Addr().(*net.TCPAddr).AddrPort().Port()
	c := &ir.Cluster{
		StatName: name, Discovery: ir.DiscoverStatic, Connection: &connection, Endpoints: []ir.Endpoint{{Host: "127.0.0.1", Port: port}},
	}
	c.SetName()
	return c
}

// TestConnectTimeout: a backend whose queue is full answers no handshake.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	port := fullPort(t)
	c := staticCluster("full", port)
	c.ConnectTimeout = 300 * time.Millisecond
	c.SetName()
	s := serve(t, only(c), nil, sending("/", c))
	started := time.Now()
	got := get(t, s, "/")
	if took := time.Since(started); got.status != http.StatusServiceUnavailable || took > 3*time.Second || took < 300*time.Millisecond {
		t.Errorf("status %d after %s: %s", got.status, took, got.body)
	}
	if got := s.envoy.Stat(t, "cluster.full.upstream_cx_connect_timeout"); got == 0 {
		t.Error("it was not the timeout")
	}
}

// fullPort is one whose queue of connections is full.
func fullPort(t *testing.T) uint16 {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for range 2 {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return uint16(port)
}

// TestKeepaliveLimits shows why there are some: above them Linux refuses, and
// Envoy gives the connection up.
func TestKeepaliveLimits(t *testing.T) {
	t.Parallel()
	server := start(t, func(http.ResponseWriter, *http.Request) {})
	longest := 32767 * time.Second
	most := tuned("most", ir.Connection{Keepalive: &ir.Keepalive{Probes: number(127), Idle: &longest, Interval: &longest}}, server)
	none := tuned("none", ir.Connection{Keepalive: &ir.Keepalive{Probes: number(0)}}, server)
	above := tuned("above", ir.Connection{Keepalive: &ir.Keepalive{Probes: number(128)}}, server)
	s := serve(t, []*ir.Cluster{most, none, above}, nil, sending("/most", most), sending("/none", none), sending("/above", above))
	for path, want := range map[string]int{"/most": 200, "/none": 200, "/above": 503} {
		if got := get(t, s, path); got.status != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
