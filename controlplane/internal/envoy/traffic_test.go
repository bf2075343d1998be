package envoy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// site is a proxy that serves routes.
type site struct {
	url   string
	envoy *envoytest.Envoy
}

// serve runs a proxy that sends requests of any host by the routes.
func serve(t *testing.T, clusters []*ir.Cluster, secrets []*ir.Secret, routes ...*ir.Route) *site {
	t.Helper()
	gw := &ir.Gateway{Name: gatewayName(), Clusters: clusters, Secrets: secrets}
	port := envoytest.FreePort(t)
	gw.Listeners = []ir.Listener{{Name: "http", Port: port, Chains: []ir.FilterChain{{Name: "http", Routes: ir.RouteConfig{
		Name: "http", VirtualHosts: []ir.VirtualHost{{Name: "all", Domain: "*", Routes: routes}},
	}}}}}
	resources, err := envoy.Build(gw, envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server, proxy := startBoth(t)
	server.Publish(gw.Name, 1, resources)
	s := &site{url: fmt.Sprintf("http://127.0.0.1:%d", port), envoy: proxy}
	envoytest.Eventually(t, 20*time.Second, func() error {
		if state := server.State(gw.Name); state.AckedRevision != 1 {
			return fmt.Errorf("not acknowledged: %+v", state)
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return s
}

// answer is what a request has come to.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with headers as "name", "value" and so on.
func (s *site) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s %s: read the answer: %v", method, path, err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(got)}
}

// recorder is a backend that keeps the requests it got, by path.
type recorder struct {
	cluster *ir.Cluster

	mu   sync.Mutex
	seen map[string][]string
}

// record runs a backend. answer gets the number of the request among those of
// its path, from 1 on; nil answers 200.
func record(t *testing.T, name string, answer func(w http.ResponseWriter, r *http.Request, number int)) *recorder {
	t.Helper()
	backend := &recorder{seen: map[string][]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		backend.mu.Lock()
		seen := append(backend.seen[r.URL.Path], fmt.Sprintf("%s %s%s %s %s", r.Method, r.Host, r.URL.RequestURI(), r.Header.Get("X-Seen"), body))
		backend.seen[r.URL.Path] = seen
		backend.mu.Unlock()
		w.Header().Set("X-Backend", name)
		if answer != nil {
			answer(w, r, len(seen))
		}
	}))
	t.Cleanup(server.Close)
	backend.cluster = staticCluster(name, portOf(server))
	return backend
}

func portOf(server *httptest.Server) uint16 {
	return server.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// requests are those of a path so far.
func (r *recorder) requests(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.seen[path]...)
}

func staticCluster(name string, ports ...uint16) *ir.Cluster {
	c := &ir.Cluster{StatName: name, Discovery: ir.DiscoverStatic}
	for _, port := range ports {
		c.Endpoints = append(c.Endpoints, ir.Endpoint{Host: "127.0.0.1", Port: port})
	}
	c.SetName()
	return c
}

// sending is a route to the cluster.
func sending(path string, c *ir.Cluster) *ir.Route {
	return &ir.Route{Name: path, Match: prefix(path), Forward: forwardTo(ir.WeightedCluster{Cluster: c.Name, Weight: 1})}
}
