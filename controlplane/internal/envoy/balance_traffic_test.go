package envoy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// named are backends that say who they are.
func named(t *testing.T, n int) []*httptest.Server {
	t.Helper()
	var servers []*httptest.Server
	for i := range n {
		servers = append(servers, start(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Backend", fmt.Sprint(i)) }))
	}
	return servers
}

// TestHashing: requests that are alike go to one backend, and others elsewhere.
// Two clusters of one route hash each what its own policy says.
func TestHashing(t *testing.T) {
	t.Parallel()
	servers := named(t, 4)
	ring := tuned("ring", ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: ir.RingHash, Hash: []ir.HashPolicy{{Header: "X-User"}}}}, servers...)
	table := tuned("table", ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: ir.Maglev, Hash: []ir.HashPolicy{
		{Header: "X-Tenant", Terminal: true}, {Header: "X-User"},
	}}}, servers...)
	source := tuned("source", ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: ir.RingHash, Hash: []ir.HashPolicy{{SourceIP: true}}}}, servers...)
	s := serve(t, []*ir.Cluster{ring, table, source}, nil, sending("/ring", ring), sending("/table", table), sending("/source", source))
	backendsOf := func(path string, headers ...string) map[string]bool {
		seen := map[string]bool{}
		for range 20 {
			seen[s.ask(t, http.MethodGet, path, "", headers...).header.Get("X-Backend")] = true
		}
		return seen
	}
	spread := map[string]bool{}
	for user := range 20 {
		got := backendsOf("/ring", "X-User", fmt.Sprint(user))
		if len(got) != 1 {
			t.Errorf("user %d was sent to %v", user, got)
		}
		for backend := range got {
			spread[backend] = true
		}
	}
	if len(spread) < 2 {
		t.Errorf("all users were sent to %v", spread)
	}
	if got := backendsOf("/ring"); len(got) < 2 {
		t.Errorf("with nothing to hash all were sent to %v", got)
	}
	if got := backendsOf("/source"); len(got) != 1 {
		t.Errorf("one address was sent to %v", got)
	}
	tenants := map[string]bool{}
	for user := range 10 {
		for backend := range backendsOf("/table", "X-Tenant", "one", "X-User", fmt.Sprint(user)) {
			tenants[backend] = true
		}
	}
	if len(tenants) != 1 {
		t.Errorf("terminal does not end the list: %v", tenants)
	}
}

// TestHashingByCookie: the proxy makes the cookie, and who brings it back stays
// where it was made.
func TestHashingByCookie(t *testing.T) {
	t.Parallel()
	for _, method := range []ir.BalanceMethod{ir.RingHash, ir.Maglev} {
		c := tuned("cookie", ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: method, Hash: []ir.HashPolicy{{Cookie: &ir.HashCookie{
			Name: "session", Path: "/shop", TTL: period(time.Hour), Secure: true, HTTPOnly: true, SameSite: "Lax",
		}}}}}, named(t, 4)...)
		s := serve(t, only(c), nil, sending("/", c))
		first := get(t, s, "/")
		cookie, err := http.ParseSetCookie(first.header.Get("Set-Cookie"))
		if err != nil {
			t.Fatalf("%q: %v", first.header.Get("Set-Cookie"), err)
		}
		if cookie.Name != "session" || cookie.Path != "/shop" || cookie.MaxAge != 3600 || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie is %+v", cookie)
		}
		for range 20 {
			again := s.ask(t, http.MethodGet, "/", "", "Cookie", "session="+cookie.Value)
			if again.header.Get("X-Backend") != first.header.Get("X-Backend") || again.header.Get("Set-Cookie") != "" {
				t.Fatalf("was sent to %q, then to %+v", first.header.Get("X-Backend"), again.header)
			}
		}
	}
}

// probed is a backend whose health can be changed.
func probed(t *testing.T, name string) (backend *recorder, sick chan bool) {
	t.Helper()
	sick = make(chan bool, 1)
	sick <- false
	return record(t, name, func(w http.ResponseWriter, r *http.Request, _ int) {
		now := <-sick
		sick <- now
		if now && r.URL.Path == "/healthz" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), sick
}

func setSick(sick chan bool, now bool) {
	<-sick
	sick <- now
}

// TestHealthCheck: an endpoint that fails its probes gets nothing until it
// passes them again. Probes ask for each endpoint's own host.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	steady, _ := probed(t, "steady")
	shaky, sick := probed(t, "shaky")
	c := &ir.Cluster{
		StatName: "probed", Discovery: ir.DiscoverStatic, Endpoints: append(steady.cluster.Endpoints, shaky.cluster.Endpoints...),
		Connection: &ir.Connection{HealthCheck: &ir.HealthCheck{
			Timeout: 5 * time.Second, Interval: 50 * time.Millisecond, UnhealthyThreshold: 2, HealthyThreshold: 1, HTTP: &ir.HTTPHealthCheck{Path: "/healthz"},
		}},
	}
	c.SetName()
	s := serve(t, only(c), nil, sending("/", c))
	both := func(want bool) {
		t.Helper()
		envoytest.Eventually(t, 20*time.Second, func() error {
			seen := map[string]bool{}
			for range 10 {
				seen[get(t, s, "/").header.Get("X-Backend")] = true
			}
			if seen["shaky"] != want || !seen["steady"] {
				return fmt.Errorf("requests go to %v", seen)
			}
			return nil
		})
	}
	both(true)
	setSick(sick, true)
	both(false)
	setSick(sick, false)
	both(true)
	if probe := steady.requests("/healthz")[0]; !strings.HasPrefix(probe, "GET 127.0.0.1/healthz") {
		t.Errorf("a probe is %q", probe)
	}
}

// TestHealthCheckOverTLS: probes use the cluster's TLS, so that a backend whose
// certificate does not verify is not healthy, and offer the protocol that they
// speak where requests may use two.
func TestHealthCheckOverTLS(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "backend")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.TLS = serverTLS(ca.Issue(t, []string{"a.example"}, nil).TLS(t))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	good, other := trust("good", ca), trust("other", envoytest.NewCA(t, "other"))
	check := &ir.HealthCheck{
		Timeout: 2 * time.Second, Interval: time.Hour, UnhealthyThreshold: 1, HealthyThreshold: 1, Host: "a.example",
		HTTP: &ir.HTTPHealthCheck{Path: "/", Method: "HEAD"},
	}
	secure := func(name string, trusted *ir.Secret, alpn ...string) *ir.Cluster {
		c := tuned(name, ir.Connection{HealthCheck: check, LoadBalancer: &ir.LoadBalancer{Method: ir.RoundRobin, PanicThreshold: number(0)}}, server)
		c.TLS = &ir.UpstreamTLS{SNI: "a.example", SANs: []ir.SAN{{Value: "a.example"}}, TrustBundle: trusted.Name, ALPN: alpn}
		c.SetName()
		return c
	}
	clusters := []*ir.Cluster{secure("plain", good), secure("two", good, "h2", "http/1.1"), secure("h2", good, "h2"), secure("bad", other)}
	var routes []*ir.Route
	for _, c := range clusters {
		routes = append(routes, sending("/"+c.StatName, c))
	}
	s := serve(t, clusters, []*ir.Secret{good, other}, routes...)
	for path, want := range map[string]string{"/plain": "HTTP/1.1", "/two": "HTTP/2.0", "/h2": "HTTP/2.0"} {
		if got := get(t, s, path); got.status != http.StatusOK || got.body != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := get(t, s, "/bad"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "no healthy upstream") {
		t.Errorf("/bad: %d %s", got.status, got.body)
	}
	if got := s.envoy.Stat(t, "cluster.bad.health_check.failure"); got == 0 {
		t.Error("no probe of /bad has failed")
	}
}

func trust(name string, ca *envoytest.CA) *ir.Secret {
	return &ir.Secret{Name: "trust/default/configmap/" + name, Kind: ir.SecretTrustBundle, Certificates: ca.PEM}
}

// TestLocalityWeights: every endpoint gets as much, however zones differ. Envoy
// sends nothing to a zone without a weight.
func TestLocalityWeights(t *testing.T) {
	t.Parallel()
	c := tuned("zones", ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: ir.RoundRobin, LocalityWeights: true}}, named(t, 4)...)
	for i, zone := range []string{"a", "b", "b", ""} {
		c.Endpoints[i].Zone = zone
	}
	c.SetName()
	s := serve(t, only(c), nil, sending("/", c))
	seen := map[string]int{}
	for range 200 {
		seen[get(t, s, "/").header.Get("X-Backend")]++
	}
	for i := range 4 {
		if got := seen[fmt.Sprint(i)]; got < 30 || got > 70 {
			t.Errorf("backend %d got %d of 200 requests: %v", i, got, seen)
		}
	}
}

// TestProbesOfDeadEndpoints: a cluster is in use once every endpoint has
// answered its first probe or had its time, and then by those that are well.
func TestProbesOfDeadEndpoints(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	c := clusterAt("silent", silent, ir.Connection{HealthCheck: &ir.HealthCheck{
		Timeout: time.Second, Interval: time.Hour, UnhealthyThreshold: 3, HealthyThreshold: 3, HTTP: &ir.HTTPHealthCheck{Path: "/"},
	}})
	c.Endpoints = append(c.Endpoints, ir.Endpoint{Host: "127.0.0.1", Port: portOf(named(t, 1)[0])})
	c.SetName()
	s := serve(t, only(c), nil, sending("/", c))
	for range 10 {
		if got := get(t, s, "/"); got.status != http.StatusOK || got.header.Get("X-Backend") != "0" {
			t.Fatalf("got %+v", got)
		}
	}
}
