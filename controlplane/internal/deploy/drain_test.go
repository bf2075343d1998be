package deploy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

const (
	// drainTime is short for a test; propagation is how long clients are still
	// sent to a proxy that ends, and work is how long a request takes.
	drainTime   = 3 * time.Second
	propagation = time.Second
	work        = 50 * time.Millisecond

	clients = 8
)

// pair is a Gateway with two proxies, in front of a backend that takes its
// time.
type pair struct {
	proxies [2]*envoytest.Envoy
	ports   [2]uint16
	ready   [2]uint16
	path    string
	// last is the only proxy to which clients are sent once it is true.
	last atomic.Bool
}

func startPair(t *testing.T) *pair {
	t.Helper()
	backend := startSlow(t)
	ca := envoytest.NewCA(t, "xds")
	own := ca.Issue(t, []string{contract.XDSServerName}, nil)
	files := xds.TLSFiles{
		CA:          envoytest.WriteFile(t, "ca.crt", ca.PEM),
		Certificate: envoytest.WriteFile(t, "tls.crt", own.Certificate),
		Key:         envoytest.WriteFile(t, "tls.key", own.Key),
	}
	server := xds.New(xds.Options{Logger: testr.New(t), TLS: files})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	p := &pair{}
	xdsPort := listener.Addr().(*net.TCPAddr).AddrPort().Port()
	for i := range p.proxies {
		s := spec(t, "{}")
		s.Gateway.Name = fmt.Sprintf("http-%d", i)
		p.ports[i] = envoytest.FreePort(t)
		built, err := envoy.Build(configuration(s.Gateway, p.ports[i], backend), envoy.Options{ListenAddress: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		server.Publish(s.Gateway, 1, built)
		o := deploy.BootstrapOptions(s, deploy.Proxy{XDSHost: "127.0.0.1", XDSPort: xdsPort}, drainToken)
		p.path = bootstrap.DrainPath(o.Drain.Token)
		o.Drain.Time = drainTime
		certificate := ca.Issue(t, nil, []string{contract.NodeURI(s.Gateway.Namespace, s.Gateway.Name)})
		o.CAFile = files.CA
		o.CertificateFile = envoytest.WriteFile(t, "tls.crt", certificate.Certificate)
		o.KeyFile = envoytest.WriteFile(t, "tls.key", certificate.Key)
		o.AdminPort, o.ReadyAddress, o.ReadyPort = envoytest.FreePort(t), "127.0.0.1", envoytest.FreePort(t)
		p.ready[i] = o.ReadyPort
		p.proxies[i] = envoytest.Start(t, envoytest.Bootstrap(t, o), o.AdminPort)
	}
	for i := range p.proxies {
		p.proxies[i].WaitReady(t)
		envoytest.Eventually(t, patient, func() error {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", p.ports[i]))
			if err != nil {
				return err
			}
			return conn.Close()
		})
	}
	return p
}

// configuration sends everything on a port to the backend.
func configuration(gateway ir.Name, port, backend uint16) *ir.Gateway {
	cluster := &ir.Cluster{StatName: "slow", Discovery: ir.DiscoverStatic, Endpoints: []ir.Endpoint{{Host: "127.0.0.1", Port: backend}}}
	cluster.SetName()
	return &ir.Gateway{
		Name: gateway,
		Listeners: []ir.Listener{{Name: "http", Port: port, Chains: []ir.FilterChain{{Name: "http", Routes: ir.RouteConfig{
			Name: "http", VirtualHosts: []ir.VirtualHost{{Name: "*", Domain: "*", Routes: []*ir.Route{{
				Name: "a/a/rule/0/match/0", Match: ir.Match{PathType: ir.Prefix, Path: "/"},
				Forward: &ir.Forward{Clusters: []ir.WeightedCluster{{Cluster: cluster.Name, Weight: 1}}},
			}}}},
		}}}}},
		Clusters: []*ir.Cluster{cluster},
	}
}

// startSlow runs a backend that answers after a while, and never ends a
// connection.
func startSlow(t *testing.T) uint16 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patient, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(work):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "done")
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// dial opens a connection as a Service does: to one of the proxies.
func (p *pair) dial(ctx context.Context) (net.Conn, error) {
	i := 0
	if p.last.Load() {
		i = 1
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.ports[i]))
}

// end ends the first proxy as a kubelet does: drained or not, then SIGTERM. It
// is taken out of the Service a while after the end has begun.
func (p *pair) end(t *testing.T, drained bool) {
	t.Helper()
	out := time.AfterFunc(propagation, func() { p.last.Store(true) })
	defer out.Stop()
	if drained {
		began := time.Now()
		// Somebody else who asks without the token gets nothing.
		for _, path := range []string{"/drain/somebody", bootstrap.DrainPath(""), p.path + "a", strings.ToLower(p.path)} {
			if code := p.ask(t, path); code != http.StatusNotFound {
				t.Errorf("a request to drain without the token is answered %d", code)
			}
		}
		if live := p.proxies[0].Stat(t, "server.live"); live != 1 {
			t.Error("a request without the token has the proxy drain")
		}
		if code := p.ask(t, p.path); code != http.StatusOK {
			t.Errorf("the request to drain is answered %d", code)
		}
		if live := p.proxies[0].Stat(t, "server.live"); live != 0 {
			t.Error("the proxy does not drain")
		}
		// Where no other proxy is ready, this one still is.
		if code := p.ask(t, bootstrap.ReadyPath); code != http.StatusOK {
			t.Errorf("a proxy that drains answers %d to a readiness probe", code)
		}
		if waited := time.Since(began); waited < drainTime {
			t.Errorf("the proxy drained for %s only", waited)
		}
	}
	p.proxies[0].End(t)
	p.last.Store(true)
}

// ask asks the first proxy at its ready port.
func (p *pair) ask(t *testing.T, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", p.ready[0], path), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// load runs clients that send one request after the other until stop is
// called, which gives how many there were and the errors.
func load(do func(client int) func() error) (stop func() (requests int64, failed []error)) {
	var (
		count   atomic.Int64
		mu      sync.Mutex
		errs    []error
		running sync.WaitGroup
		ended   = make(chan struct{})
	)
	for i := range clients {
		running.Go(func() {
			once := do(i)
			for {
				select {
				case <-ended:
					return
				default:
				}
				count.Add(1)
				if err := once(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []error) {
		close(ended)
		running.Wait()
		return count.Load(), errs
	}
}

// http1 sends requests on one connection until it is told to close it. Unlike
// a client of net/http, it never sends a request again.
func (p *pair) http1(ctx context.Context) func(int) func() error {
	return func(int) func() error {
		var conn net.Conn
		var reader *bufio.Reader
		return func() (err error) {
			if conn == nil {
				if conn, err = p.dial(ctx); err != nil {
					return err
				}
				reader = bufio.NewReader(conn)
			}
			last := true
			defer func() {
				if last || err != nil {
					_ = conn.Close()
					conn = nil
				}
			}()
			if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nping"); err != nil {
				return err
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				return err
			}
			last = response.Close
			return answered(response)
		}
	}
}

// http1New sends each request on a connection of its own.
func (p *pair) http1New(ctx context.Context) func(int) func() error {
	return func(int) func() error { return p.through(ctx, true, nil) }
}

// http2 has all clients share connections.
func (p *pair) http2(ctx context.Context) func(int) func() error {
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	once := p.through(ctx, false, protocols)
	return func(int) func() error { return once }
}

func (p *pair) through(ctx context.Context, single bool, protocols *http.Protocols) func() error {
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) },
		DisableKeepAlives: single, Protocols: protocols,
	}
	return func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://a/", io.NopCloser(strings.NewReader("ping")))
		if err != nil {
			return err
		}
		request.ContentLength = 4
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		return answered(response)
	}
}

func answered(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || string(body) != "done") {
		err = fmt.Errorf("%d %q", response.StatusCode, body)
	}
	return errors.Join(err, response.Body.Close())
}

// TestDrain ends a proxy under load. Without draining requests are lost, which
// shows that the load would notice; with it, none.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, drained := range map[string]bool{"drained": true, "not drained": false} {
		for protocol, of := range map[string]func(*pair, context.Context) func(int) func() error{
			"kept connections": (*pair).http1, "new connections": (*pair).http1New, "HTTP2": (*pair).http2,
		} {
			t.Run(protocol+", "+name, func(t *testing.T) {
				t.Parallel()
				p := startPair(t)
				stop := load(of(p, t.Context()))
				served := func(i int) uint64 { return p.proxies[i].Stat(t, "cluster.slow.upstream_rq_200") }
				envoytest.Eventually(t, patient, func() error {
					if n := served(0); n < 10*clients {
						return fmt.Errorf("the first proxy has served %d requests", n)
					}
					return nil
				})
				p.end(t, drained)
				envoytest.Eventually(t, patient, func() error {
					if n := served(1); n < 10*clients {
						return fmt.Errorf("the second proxy has served %d requests", n)
					}
					return nil
				})
				requests, failed := stop()
				t.Logf("%d of %d requests failed", len(failed), requests)
				switch {
				case drained && len(failed) > 0:
					t.Errorf("requests were lost; the first: %v", failed[0])
				case !drained && len(failed) == 0:
					t.Error("no request was lost: the load proves nothing")
				}
			})
		}
	}
}
