package xds_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

const (
	second  = time.Second
	patient = 10 * time.Second
)

func gatewayName() ir.Name { return ir.Name{Namespace: "infra", Name: "http"} }

// world is an xDS server with what is needed to connect to it.
type world struct {
	t        testing.TB
	ca       *envoytest.CA
	files    xds.TLSFiles
	address  string
	options  xds.Options
	sent     sentResources
	revision uint64

	server *xds.Server
	stop   func()
	// drain ends Serve, and gives a channel that is closed when it has ended.
	drain func() <-chan struct{}
}

// newWorld starts a server. The grace is short, so that removals are seen.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	return newWorldWith(tb, func(*xds.Options) {})
}

func newWorldWith(tb testing.TB, change func(*xds.Options)) *world {
	tb.Helper()
	ca := envoytest.NewCA(tb, "xds")
	own := ca.Issue(tb, []string{contract.XDSServerName}, nil)
	w := &world{
		t:       tb,
		ca:      ca,
		address: "127.0.0.1:0",
		files: xds.TLSFiles{
			CA:          envoytest.WriteFile(tb, "ca.crt", ca.PEM),
			Certificate: envoytest.WriteFile(tb, "tls.crt", own.Certificate),
			Key:         envoytest.WriteFile(tb, "tls.key", own.Key),
		},
	}
	w.options = xds.Options{
		Logger:      logger(tb),
		TLS:         w.files,
		AckTimeout:  3 * second,
		RemoveGrace: 100 * time.Millisecond,
		ServerOptions: []grpc.ServerOption{
			grpc.StatsHandler(&w.sent),
		},
	}
	change(&w.options)
	w.start()
	tb.Cleanup(func() { w.stop() })
	return w
}

func logger(tb testing.TB) logr.Logger {
	tb.Helper()
	if t, ok := tb.(*testing.T); ok {
		return testr.New(t)
	}
	return logr.Discard()
}

// start runs a new server on the address of the last one.
func (w *world) start() {
	w.t.Helper()
	var listener net.Listener
	envoytest.Eventually(w.t, patient, func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", w.address)
		return err
	})
	w.address = listener.Addr().String()
	w.server = xds.New(w.options)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := w.server.Serve(ctx, listener); err != nil {
			w.t.Errorf("serve: %v", err)
		}
	}()
	w.drain = func() <-chan struct{} {
		cancel()
		return served
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		w.server.Close()
		<-served
	})
}

// publish builds and publishes; a problem fails the test.
func (w *world) publish(gw *ir.Gateway) uint64 {
	w.t.Helper()
	w.revision++
	w.server.Publish(gw.Name, w.revision, w.build(gw))
	return w.revision
}

func (w *world) build(gw *ir.Gateway) *envoy.Resources {
	w.t.Helper()
	r, err := envoy.Build(gw, envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		w.t.Fatalf("build: %v", err)
	}
	return r
}

// publishAndWait waits until every connected proxy has answered.
func (w *world) publishAndWait(gw *ir.Gateway) {
	w.t.Helper()
	revision := w.publish(gw)
	w.waitFor(func(s xds.State) bool { return s.Connected > 0 && s.AckedRevision == revision })
}

func (w *world) waitFor(good func(xds.State) bool) {
	w.t.Helper()
	envoytest.Eventually(w.t, patient, func() error {
		if s := w.server.State(gatewayName()); !good(s) {
			return fmt.Errorf("state is %+v, revision %d is published", s, w.revision)
		}
		return nil
	})
}

// envoy starts a proxy of the Gateway.
func (w *world) envoy(sotw bool) *envoytest.Envoy {
	w.t.Helper()
	e := w.startEnvoy(bootstrap.Options{SOTW: sotw}, contract.NodeURI(gatewayName().Namespace, gatewayName().Name))
	e.WaitReady(w.t)
	return e
}

// startEnvoy starts a proxy whose certificate has the given URI.
func (w *world) startEnvoy(o bootstrap.Options, uri string) *envoytest.Envoy {
	w.t.Helper()
	pair := w.ca.Issue(w.t, nil, []string{uri})
	host, port := splitPort(w.t, w.address)
	o.Namespace, o.Gateway = gatewayName().Namespace, gatewayName().Name
	o.XDSHost, o.XDSPort = host, port
	o.CAFile = w.files.CA
	o.CertificateFile = envoytest.WriteFile(w.t, "tls.crt", pair.Certificate)
	o.KeyFile = envoytest.WriteFile(w.t, "tls.key", pair.Key)
	o.AdminPort = envoytest.FreePort(w.t)
	return envoytest.Start(w.t, envoytest.Bootstrap(w.t, o), o.AdminPort)
}

func splitPort(tb testing.TB, address string) (string, uint16) {
	tb.Helper()
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		tb.Fatalf("split %q: %v", address, err)
	}
	return resolved.IP.String(), resolved.AddrPort().Port()
}

// sentResources counts what the server sends.
type sentResources struct {
	responses, resources atomic.Int64
	// refused is set when a stream has ended with an error.
	refused atomic.Bool
}

func (s *sentResources) HandleRPC(_ context.Context, event stats.RPCStats) {
	if end, ok := event.(*stats.End); ok && end.Error != nil {
		s.refused.Store(true)
	}
	out, ok := event.(*stats.OutPayload)
	if !ok {
		return
	}
	s.responses.Add(1)
	switch response := out.Payload.(type) {
	case *discoveryv3.DeltaDiscoveryResponse:
		s.resources.Add(int64(len(response.GetResources()) + len(response.GetRemovedResources())))
	case *discoveryv3.DiscoveryResponse:
		s.resources.Add(int64(len(response.GetResources())))
	}
}

func (s *sentResources) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (s *sentResources) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (s *sentResources) HandleConn(context.Context, stats.ConnStats) {}

// client sends requests through a proxy, each on a connection of its own
// downstream.
type client struct {
	base string
	http *http.Client
}

func newClient(port uint16) *client {
	return &client{
		base: fmt.Sprintf("http://127.0.0.1:%d", port),
		http: &http.Client{
			Timeout:       patient,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// newTLSClient verifies the proxy.
func newTLSClient(port uint16, ca *envoytest.CA, serverName string) *client {
	c := newClient(port)
	c.base = fmt.Sprintf("https://127.0.0.1:%d", port)
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), ServerName: serverName, MinVersion: tls.VersionTLS12},
	}
	return c
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (c *client) get(host, path string) (answer, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	request.Host = host
	return c.do(request)
}

func (c *client) do(request *http.Request) (answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, body: string(body), header: response.Header}, err
}

// expect waits for the status.
func (c *client) expect(tb testing.TB, within time.Duration, path string, status int) {
	tb.Helper()
	envoytest.Eventually(tb, within, func() error { return c.check(path, status) })
}

func (c *client) check(path string, status int) error {
	got, err := c.get("example.com", path)
	if err != nil {
		return err
	}
	if got.status != status {
		return fmt.Errorf("GET %s: status %d: %s", path, got.status, got.body)
	}
	return nil
}

// traffic sends requests until stopped, and keeps the first failure.
type traffic struct {
	count  atomic.Int64
	failed atomic.Pointer[error]
	stop   func() error
}

func startTraffic(tb testing.TB, c *client, path string) *traffic {
	tb.Helper()
	tr := &traffic{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := c.check(path, http.StatusOK); err != nil { //nolint:contextcheck // The last request is not cut off.
					tr.failed.CompareAndSwap(nil, &err)
				}
				tr.count.Add(1)
			}
		})
	}
	tr.stop = sync.OnceValue(func() error {
		cancel()
		wg.Wait()
		if failed := tr.failed.Load(); failed != nil {
			return *failed
		}
		return nil
	})
	tb.Cleanup(func() { _ = tr.stop() })
	return tr
}

// flow waits for more requests to be answered.
func (tr *traffic) flow(tb testing.TB) {
	tb.Helper()
	until := tr.count.Load() + 20
	envoytest.Eventually(tb, patient, func() error {
		if n := tr.count.Load(); n < until {
			return fmt.Errorf("%d of %d requests", n, until)
		}
		return nil
	})
}

func (tr *traffic) mustSucceed(tb testing.TB) {
	tb.Helper()
	tr.flow(tb)
	if err := tr.stop(); err != nil {
		tb.Errorf("a request failed under traffic: %v", err)
	}
}
