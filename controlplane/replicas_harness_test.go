package controlplane_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// quick are times with which a test does not take minutes.
func quick() controlplane.Times {
	return controlplane.Times{
		Lease: 5 * time.Second, Renew: 4 * time.Second, Retry: 200 * time.Millisecond, Beat: 300 * time.Millisecond,
		Propagation: 500 * time.Millisecond, DrainOver: 200 * time.Millisecond, Settle: time.Second,
	}
}

// process is one replica of the controller: what is a pod in a cluster.
type process struct {
	name        string
	xds, health string
	wire        wire
	// stop is SIGTERM: it waits for the end.
	stop func()
	// dead is set when it was killed.
	dead atomic.Bool
}

// wire is a replica's connection to the API server.
type wire struct {
	// cut: nothing goes through any more.
	cut atomic.Bool
	// held are parts of paths whose requests wait.
	held sync.Map
}

func (w *wire) hold(part string) (release func()) {
	released := make(chan struct{})
	w.held.Store(part, released)
	return func() {
		w.held.Delete(part)
		close(released)
	}
}

// lane is one client's part of a wire.
type lane struct {
	*wire
	next http.RoundTripper
}

// RoundTrip passes on what is neither cut nor held.
func (w lane) RoundTrip(request *http.Request) (*http.Response, error) {
	w.held.Range(func(part, released any) bool {
		if strings.Contains(request.URL.Path, part.(string)) {
			select {
			case <-released.(chan struct{}):
			case <-request.Context().Done():
			}
		}
		return true
	})
	if w.cut.Load() {
		return nil, errors.New("cut")
	}
	response, err := w.next.RoundTrip(request)
	if err == nil {
		response.Body = &cutBody{ReadCloser: response.Body, cut: &w.cut}
	}
	return response, err
}

type cutBody struct {
	io.ReadCloser
	cut *atomic.Bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.cut.Load() {
		return 0, errors.New("cut")
	}
	return n, err
}

// replica starts one that tells proxies to dial s. It need not be ready yet.
func (c *cluster) replica(t *testing.T, name string, s *service, change ...func(*process)) *process {
	t.Helper()
	p := &process{name: name}
	for _, f := range change {
		f(p)
	}
	xds, health := listenLocal(t), listenLocal(t)
	p.xds, p.health = xds.Addr().String(), health.Addr().String()
	config := rest.CopyConfig(c.controller)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return lane{&p.wire, next} })
	options := controlplane.Options{
		Config: config, XDSListener: xds, HealthListener: health,
		Cluster:     &controlplane.ClusterOptions{Identity: name, XDSHost: "127.0.0.1", XDSPort: s.port, Times: quick()},
		Translation: controlplane.TranslationOptions{ListenAddress: "127.0.0.1", AllowLoopbackBackends: true},
		Log:         testr.New(t).WithName(name),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- controlplane.Run(ctx, options) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("replica %s ended with: %v", name, err)
		}
	})
	t.Cleanup(p.stop)
	s.add(p)
	return p
}

// kill is SIGKILL, seen from outside: neither the API server nor a proxy hears
// of p any more.
func (p *process) kill(s *service) {
	p.dead.Store(true)
	p.wire.cut.Store(true)
	s.disconnect(p)
}

func (p *process) waitReady(t *testing.T) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error { return ready(t, p.health) })
}

// metric is the value of a metric; zero when there is none of that name and
// labels.
func (p *process) metric(t *testing.T, series string) float64 {
	t.Helper()
	_, body, err := get(t, "http://"+p.health+"/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), series+" "); found {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
	}
	return 0
}

// waitMetric waits until a metric has a value.
func (p *process) waitMetric(t *testing.T, series string, want float64) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if got := p.metric(t, series); got != want {
			return fmt.Errorf("%s of %s is %v, want %v", series, p.name, got, want)
		}
		return nil
	})
}

// service is the controller's Service: it sends a new connection to a replica
// that is ready, the preferred one if it is.
type service struct {
	t    *testing.T
	port uint16

	mu        sync.Mutex
	replicas  []*process
	preferred *process
	conns     map[net.Conn]*process
}

func newService(t *testing.T) *service {
	t.Helper()
	l := listenLocal(t)
	t.Cleanup(func() { _ = l.Close() })
	s := &service{t: t, port: l.Addr().(*net.TCPAddr).AddrPort().Port(), conns: map[net.Conn]*process{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.connect(conn)
		}
	}()
	return s
}

func (s *service) add(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas = append(s.replicas, p)
}

// prefer makes new connections go to p.
func (s *service) prefer(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.preferred = p
}

func (s *service) choose() *process {
	s.mu.Lock()
	all := append([]*process{s.preferred}, s.replicas...)
	s.mu.Unlock()
	for _, p := range all {
		if p != nil && !p.dead.Load() && ready(s.t, p.health) == nil {
			return p
		}
	}
	return nil
}

func (s *service) connect(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	p := s.choose()
	if p == nil {
		return
	}
	upstream, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", p.xds)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	s.mu.Lock()
	s.conns[conn] = p
	s.mu.Unlock()
	go func() {
		_, _ = io.Copy(upstream, conn)
		_ = upstream.Close()
	}()
	_, _ = io.Copy(conn, upstream)
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

// disconnect ends the connections to p.
func (s *service) disconnect(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, to := range s.conns {
		if to == p {
			_ = conn.Close()
		}
	}
}

// kubelet runs the Envoy of a Gateway from nothing but what the controller has
// deployed: its ConfigMap and its Secret. Only ports and folders are others, as
// it is no container.
func (c *cluster) kubelet(t *testing.T, namespace, gateway string) *envoytest.Envoy {
	t.Helper()
	name := contract.ProxyName(gateway)
	config, identity := &corev1.ConfigMap{}, &corev1.Secret{}
	envoytest.Eventually(t, patient, func() error {
		return errors.Join(
			c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name + contract.ProxyBootstrapSuffix}, config),
			c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name + contract.ProxyIdentitySuffix}, identity),
		)
	})
	folder := t.TempDir()
	admin, readiness := envoytest.FreePort(t), envoytest.FreePort(t)
	changed := strings.NewReplacer(
		"/var/run/secrets/tlsgw/xds", folder, "/etc/tlsgw/bootstrap", folder,
		fmt.Sprintf(`"port_value": %d`, contract.AdminPort), fmt.Sprintf(`"port_value": %d`, admin),
		fmt.Sprintf(`"port_value": %d`, contract.ReadyPort), fmt.Sprintf(`"port_value": %d`, readiness),
	)
	for file, content := range identity.Data {
		write(t, filepath.Join(folder, file), content)
	}
	for file, content := range config.Data {
		write(t, filepath.Join(folder, file), []byte(changed.Replace(content)))
	}
	proxy := envoytest.Start(t, []byte(changed.Replace(config.Data["bootstrap.json"])), admin)
	proxy.WaitReady(t)
	return proxy
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
