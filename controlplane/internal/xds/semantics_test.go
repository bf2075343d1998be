package xds_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestSemantics asks a real Envoy what routes mean.
func TestSemantics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ca := envoytest.NewCA(t, "backend")
	pair := ca.Issue(t, []string{sni}, nil)
	one, two := envoytest.StartBackend(t, "one", pair), envoytest.StartBackend(t, "two", pair)
	a, b := edsCluster("a", one.Port, verified()), edsCluster("b", two.Port, nil)
	port := envoytest.FreePort(t)
	gw := gateway{port: port, clusters: []*ir.Cluster{a, b}, secrets: []*ir.Secret{trust(ca)}, routes: semanticRoutes(a.Name, b.Name)}
	full := gw.ir()
	hosts := &full.Listeners[0].Chains[0].Routes.VirtualHosts
	*hosts = append(*hosts, ir.VirtualHost{Name: "known", Domain: "known.example", Routes: gw.routes})
	w.publish(full)
	w.envoy(false)
	c := newClient(port)
	for _, test := range semanticCases() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host := test.host
			if host == "" {
				host = "example.com"
			}
			got, err := c.get(host, test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != test.status {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if test.body != "" && got.body != test.body {
				t.Errorf("body %q, want %q", got.body, test.body)
			}
			if location := got.header.Get("Location"); location != test.location {
				t.Errorf("location %q, want %q", location, test.location)
			}
		})
	}
	t.Run("weights", func(t *testing.T) {
		t.Parallel()
		checkWeights(t, c)
	})
}

func semanticRoutes(a, b string) []*ir.Route {
	rewrite := func(prefix string, path ir.PathRewrite) *ir.Route {
		route := forward(prefix, a)
		route.Forward.Path = &path
		return route
	}
	headers := forward("/headers", a)
	headers.RequestHeaders.Set = []ir.Header{{Name: "X-Seen", Value: "100%"}}
	host := forward("/host", a)
	host.Forward.HostRewrite = "rewritten.example"
	weighted := forward("/weighted", a, b)
	weighted.Forward.Clusters[0].Weight = 3
	nobody := forward("/nobody", a)
	nobody.Forward.Clusters[0].Weight = 0
	redirect := func(prefix string, to ir.Redirect) *ir.Route {
		return &ir.Route{Name: prefix, Match: ir.Match{PathType: ir.Prefix, Path: prefix}, Redirect: &to}
	}
	query := forward("/query", b)
	query.Match.Query = []ir.ValueMatch{{Name: "q", Value: "1"}}
	return []*ir.Route{
		rewrite("/away", ir.PathRewrite{IsPrefix: true, Prefix: "/"}),
		rewrite("/prefix", ir.PathRewrite{IsPrefix: true, Prefix: "/new"}),
		rewrite("/full", ir.PathRewrite{Full: "/whole"}),
		headers, host, weighted, nobody, query,
		forward("/invalid", contract.InvalidCluster),
		forward("/half", a, contract.InvalidCluster),
		redirect("/https", ir.Redirect{Scheme: "https", Port: 443, StatusCode: 301}),
		redirect("/port", ir.Redirect{Port: 8443}),
		redirect("/moved", ir.Redirect{Hostname: "other.example", Path: &ir.PathRewrite{IsPrefix: true, Prefix: "/"}}),
		{Name: "exact", Match: ir.Match{Path: "/exact"}, Forward: &ir.Forward{Clusters: []ir.WeightedCluster{{Cluster: b, Weight: 1}}}},
	}
}

type semanticCase struct {
	name, host, path string
	status           int
	body, location   string
}

func semanticCases() []semanticCase {
	ok := func(name, path, body string) semanticCase {
		return semanticCase{name: name, path: path, status: http.StatusOK, body: body}
	}
	return []semanticCase{
		ok("prefix away", "/away/x?q=1", "one GET example.com/x?q=1 "),
		ok("prefix away, nothing after it", "/away", "one GET example.com/ "),
		ok("prefix away, slash after it", "/away/", "one GET example.com/ "),
		ok("prefix", "/prefix/x", "one GET example.com/new/x "),
		ok("full", "/full/x?q=1", "one GET example.com/whole?q=1 "),
		ok("header with a percent sign", "/headers", "one GET example.com/headers 100%"),
		ok("host", "/host", "one GET rewritten.example/host "),
		ok("exact", "/exact", "two GET example.com/exact "),
		ok("query", "/query?q=1", "two GET example.com/query?q=1 "),
		{name: "exact is not a prefix", path: "/exact/", status: http.StatusNotFound},
		{name: "prefix of an element", path: "/prefixed", status: http.StatusNotFound},
		{name: "query differs", path: "/query?q=2", status: http.StatusNotFound},
		{name: "dots do not escape", path: "/prefix/../exact", status: http.StatusOK, body: "two GET example.com/exact "},
		{name: "host with a port", host: "example.com:8080", path: "/exact", status: http.StatusOK, body: "two GET example.com:8080/exact "},
		{name: "all weights are zero", path: "/nobody", status: http.StatusInternalServerError},
		{name: "invalid backend", path: "/invalid", status: http.StatusInternalServerError},
		{name: "to https", path: "/https", status: 301, location: "https://example.com/https"},
		{name: "to https from a port", host: "example.com:8080", path: "/https", status: 301, location: "https://example.com:443/https"},
		{name: "to https from a port of a known host", host: "known.example:8080", path: "/https", status: 301, location: "https://known.example/https"},
		{name: "to a port", host: "example.com:8080", path: "/port?q=1", status: 302, location: "http://example.com:8443/port?q=1"},
		{name: "to a host", path: "/moved/x", status: 302, location: "http://other.example/x"},
	}
}

// checkWeights allows for chance: 3 of 4 expected, and half of the rest fails.
func checkWeights(t *testing.T, c *client) {
	t.Helper()
	const n = 200
	counts := map[string]int{}
	for range n {
		got, err := c.get("example.com", "/weighted")
		if err != nil {
			t.Fatal(err)
		}
		counts[got.header.Get("X-Backend")]++
		if got, err = c.get("example.com", "/half"); err != nil {
			t.Fatal(err)
		}
		counts[fmt.Sprint(got.status)]++
	}
	if counts["one"] < n*60/100 || counts["two"] < n*10/100 || counts["one"]+counts["two"] != n {
		t.Errorf("shares of 3:1: %v", counts)
	}
	if counts["500"] < n*30/100 || counts["200"] < n*30/100 {
		t.Errorf("shares of 1:1 with an invalid backend: %v", counts)
	}
}
