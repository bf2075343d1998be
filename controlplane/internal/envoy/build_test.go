package envoy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func TestBuildIsDeterministicAndLeavesItsInput(t *testing.T) {
	t.Parallel()
	for name, gw := range cases(t) {
		before := fmt.Sprintf("%+v", deref(t, gw))
		first, second := build(t, gw), build(t, gw)
		if diff := cmp.Diff(string(first), string(second)); diff != "" {
			t.Errorf("%s: two builds differ:\n%s", name, diff)
		}
		if after := fmt.Sprintf("%+v", deref(t, gw)); after != before {
			t.Errorf("%s: the input has changed", name)
		}
	}
}

func build(t *testing.T, gw *ir.Gateway) []byte {
	t.Helper()
	r, err := envoy.Build(gw, envoy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func deref(t *testing.T, gw *ir.Gateway) string {
	t.Helper()
	encoded, err := json.Marshal(gw)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// TestOneBadPartHarmsNobody breaks one part of a Gateway at a time.
func TestOneBadPartHarmsNobody(t *testing.T) {
	t.Parallel()
	for name, test := range brokenParts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := healthy(t)
			test.damage(gw)
			r, err := envoy.Build(gw, envoy.Options{})
			problems := envoy.Problems(err)
			if len(problems) != 1 {
				t.Fatalf("problems: %v", err)
			}
			if problems[0].Kind != test.kind || problems[0].Name != test.name {
				t.Errorf("problem of %s %q, want %s %q", problems[0].Kind, problems[0].Name, test.kind, test.name)
			}
			if !strings.Contains(problems[0].Error(), test.message) {
				t.Errorf("message %q lacks %q", problems[0].Error(), test.message)
			}
			test.check(t, r)
			checkClosed(t, r)
		})
	}
}

type brokenPart struct {
	damage              func(gw *ir.Gateway)
	kind, name, message string
	check               func(t *testing.T, r *envoy.Resources)
}

// healthy has two clusters with a trust bundle and client certificates, an
// HTTP and an HTTPS listener, and three routes in each.
func healthy(t *testing.T) *ir.Gateway {
	t.Helper()
	ca, pair := caBundle(t), clientPair(t)
	gw := withRoutes(
		&ir.Route{Name: "first", Match: prefix("/first"), Forward: forwardTo(clusterA(1))},
		&ir.Route{Name: "second", Match: prefix("/second"), Forward: forwardTo(clusterB(1))},
		&ir.Route{Name: "rest", Match: prefix("/"), Forward: forwardTo(clusterA(1))},
	)
	gw.Listeners[0].Chains[0].Routes.VirtualHosts = gw.Listeners[0].Chains[0].Routes.VirtualHosts[:1]
	gw.Secrets = []*ir.Secret{ca, pair}
	for _, c := range gw.Clusters {
		c.TLS = &ir.UpstreamTLS{SNI: "a.example", TrustBundle: ca.Name}
	}
	gw.Clusters[0].TLS.ClientCertificate = pair.Name
	https := ir.Listener{Name: "https-8443", Port: 8443}
	for _, host := range []string{"a.example", "b.example"} {
		https.Chains = append(https.Chains, ir.FilterChain{
			Name: host, ServerNames: []string{host}, TLS: &ir.DownstreamTLS{Certificates: []string{pair.Name}},
			Routes: ir.RouteConfig{Name: "https-8443/" + host},
		})
	}
	gw.Listeners = append(gw.Listeners, https)
	return gw
}

func brokenParts() map[string]brokenPart {
	secondRoute := func(gw *ir.Gateway) *ir.Route { return gw.Listeners[0].Chains[0].Routes.VirtualHosts[0].Routes[1] }
	route := func(message string, damage func(r *ir.Route)) brokenPart {
		return brokenPart{
			damage: func(gw *ir.Gateway) { damage(secondRoute(gw)) },
			kind:   "route", name: "second", message: message, check: secondIsClosed,
		}
	}
	cluster := func(message string, damage func(c *ir.Cluster)) brokenPart {
		return brokenPart{
			damage: func(gw *ir.Gateway) { damage(gw.Clusters[0]) },
			kind:   "cluster", name: "kube_default_a_80~0123456789", message: message, check: firstClusterIsGone,
		}
	}
	return map[string]brokenPart{
		"no trust":        cluster("exactly one", func(c *ir.Cluster) { c.TLS.TrustBundle = "" }),
		"two trusts":      cluster("exactly one", func(c *ir.Cluster) { c.TLS.InsecureSkipVerify = true }),
		"unknown trust":   cluster("not among", func(c *ir.Cluster) { c.TLS.TrustBundle = "other" }),
		"trust is a pair": cluster("not among", func(c *ir.Cluster) { c.TLS.TrustBundle = "pair/default/secret/client" }),
		"half a pair":     cluster("key file", func(c *ir.Cluster) { c.TLS.ClientCertFile = "/cert" }),
		"version":         cluster("unknown TLS version", func(c *ir.Cluster) { c.TLS.MinVersion = "1.4" }),
		"comma":           cluster("ALPN", func(c *ir.Cluster) { c.TLS.ALPN = []string{"h2,"} }),
		"versions": cluster("above the maximum", func(c *ir.Cluster) {
			c.TLS.MinVersion, c.TLS.MaxVersion = "1.3", "1.2"
		}),
		"address": cluster("endpoint", func(c *ir.Cluster) { c.Endpoints[0].Host = "a.example" }),
		"port":    cluster("port 0", func(c *ir.Cluster) { c.Endpoints[0].Port = 0 }),
		"timeout": cluster("ConnectTimeout", func(c *ir.Cluster) { c.ConnectTimeout = -1 }),

		"regex":        route("missing", func(r *ir.Route) { r.Forward.Path = nil; r.Match.Headers = badRegex() }),
		"header name":  route("header name", func(r *ir.Route) { r.RequestHeaders.Remove = []string{"a b"} }),
		"header value": route("control character", func(r *ir.Route) { r.ResponseHeaders.Set = []ir.Header{{Name: "a", Value: "a\nb"}} }),
		"host header":  route("rewrite of the hostname", func(r *ir.Route) { r.RequestHeaders.Set = []ir.Header{{Name: "Host", Value: "a"}} }),
		"weights": route("more than Envoy counts", func(r *ir.Route) {
			r.Forward.Clusters = []ir.WeightedCluster{clusterA(math.MaxUint32), clusterB(1)}
		}),
		"no backend": route("without a cluster", func(r *ir.Route) { r.Forward.Clusters = nil }),
		"no action":  route("exactly one", func(r *ir.Route) { r.Forward = nil }),
		"rewrite": route("needs a match", func(r *ir.Route) {
			r.Match.PathType = ir.Exact
			r.Forward.Path = &ir.PathRewrite{IsPrefix: true}
		}),
		"two actions":  route("exactly one", func(r *ir.Route) { r.Status = 421 }),
		"fixed status": route("no final answer", func(r *ir.Route) { r.Forward, r.Status = nil, 100 }),
		"CORS of a redirect": route("CORS needs", func(r *ir.Route) {
			r.Forward, r.Redirect, r.CORS = nil, &ir.Redirect{}, &ir.CORS{}
		}),
		"CORS origin":    route("missing", func(r *ir.Route) { r.CORS = &ir.CORS{AllowOrigins: badRegex()} }),
		"CORS header":    route("neither", func(r *ir.Route) { r.CORS = &ir.CORS{AllowHeaders: []string{"a\nb"}} }),
		"mirror":         route("without a cluster", func(r *ir.Route) { r.Forward.Mirrors = []ir.Mirror{{Numerator: 1, Denominator: 1}} }),
		"mirrored share": route("above the denominator", func(r *ir.Route) { r.Forward.Mirrors = []ir.Mirror{mirrorA(2, 1)} }),
		"retried code":   route("no HTTP status", func(r *ir.Route) { r.Forward.Retry = &ir.Retry{Codes: []uint32{1}} }),
		"status":         route("no redirect", func(r *ir.Route) { r.Forward, r.Redirect = nil, &ir.Redirect{StatusCode: 200} }),

		// What cannot be is a defect of the translation: nobody else may notice.
		"no route": {
			damage: func(gw *ir.Gateway) { gw.Listeners[0].Chains[0].Routes.VirtualHosts[0].Routes[1] = nil },
			kind:   "route", message: "a defect of the controller", check: restIsThere,
		},
		"no cluster": {
			damage: func(gw *ir.Gateway) { gw.Clusters[0] = nil },
			kind:   "cluster", message: "there is none", check: firstClusterIsGone,
		},
		"hashes nothing": cluster("hash policy 0", func(c *ir.Cluster) {
			c.Connection = &ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: ir.Maglev, Hash: make([]ir.HashPolicy, 1)}}
		}),
		"unknown method": cluster("method 9", func(c *ir.Cluster) {
			c.Connection = &ir.Connection{LoadBalancer: &ir.LoadBalancer{Method: 9}}
		}),
		"no probe": cluster("one of http, grpc and tcp", func(c *ir.Cluster) {
			c.Connection = &ir.Connection{HealthCheck: &ir.HealthCheck{Timeout: 1, Interval: 1}}
		}),
		"probe's method": cluster("method \"CONNECTED\"", func(c *ir.Cluster) {
			c.Connection = &ir.Connection{HealthCheck: &ir.HealthCheck{HTTP: &ir.HTTPHealthCheck{Path: "/", Method: "CONNECTED"}}}
		}),
		"PROXY version": cluster("version 3", func(c *ir.Cluster) { c.Connection = &ir.Connection{ProxyProtocol: 3} }),
		"server name twice": {
			damage: func(gw *ir.Gateway) { gw.Listeners[1].Chains[1].ServerNames = []string{"a.example"} },
			kind:   "filter chain", name: "b.example", message: "server name", check: secondChainIsGone,
		},
		"no certificate": {
			damage: func(gw *ir.Gateway) { gw.Listeners[1].Chains[1].TLS.Certificates = nil },
			kind:   "filter chain", name: "b.example", message: "without a certificate", check: secondChainIsGone,
		},
		"clients by nothing": {
			damage: func(gw *ir.Gateway) { gw.Listeners[1].Chains[1].TLS.Clients = &ir.ClientValidation{} },
			kind:   "filter chain", name: "b.example", message: "by nothing", check: secondChainIsGone,
		},
		"clients by a pair": {
			damage: func(gw *ir.Gateway) {
				gw.Listeners[1].Chains[1].TLS.Clients = &ir.ClientValidation{TrustBundle: gw.Secrets[1].Name}
			},
			kind: "filter chain", name: "b.example", message: "not among", check: secondChainIsGone,
		},
		"domain twice": {
			damage: func(gw *ir.Gateway) {
				hosts := &gw.Listeners[0].Chains[0].Routes.VirtualHosts
				*hosts = append(*hosts, ir.VirtualHost{Name: "again", Domain: "example.com"})
			},
			kind: "virtual host", name: "again", message: "is taken", check: func(*testing.T, *envoy.Resources) {},
		},
	}
}

// restIsThere: the routes beside the one that is broken are as they were.
func restIsThere(t *testing.T, r *envoy.Resources) {
	t.Helper()
	if routes := r.Routes["http-8080"].GetVirtualHosts()[0].GetRoutes(); len(routes) != 2 || routes[0].GetName() != "first" {
		t.Errorf("routes: %v", routes)
	}
	if len(r.Listeners) != 2 || len(r.Clusters) != 2 {
		t.Error("listeners or clusters are gone")
	}
}

func badRegex() []ir.ValueMatch { return []ir.ValueMatch{{Name: "a", Type: ir.Regex, Value: "("}} }

func firstClusterIsGone(t *testing.T, r *envoy.Resources) {
	t.Helper()
	if len(r.Clusters) != 1 || r.Clusters["kube_default_b_80~0123456789"] == nil {
		t.Errorf("clusters: %v", r.Clusters)
	}
	if len(r.Listeners) != 2 || len(r.Routes) != 3 {
		t.Error("listeners or routes are gone too")
	}
}

// secondIsClosed: requests of the broken route must not reach the next one.
func secondIsClosed(t *testing.T, r *envoy.Resources) {
	t.Helper()
	routes := r.Routes["http-8080"].GetVirtualHosts()[0].GetRoutes()
	switch {
	case len(routes) == 3 && routes[1].GetDirectResponse().GetStatus() == 500:
	case len(routes) == 2 && routes[1].GetName() == "rest":
		// Only where its match is what is broken.
	default:
		t.Errorf("routes: %v", routes)
	}
}

func secondChainIsGone(t *testing.T, r *envoy.Resources) {
	t.Helper()
	if chains := r.Listeners["https-8443"].GetFilterChains(); len(chains) != 1 || chains[0].GetName() != "a.example" {
		t.Errorf("chains: %v", chains)
	}
}

// checkClosed finds names that nothing has and things that nothing names.
func checkClosed(t *testing.T, r *envoy.Resources) {
	t.Helper()
	encoded, err := json.Marshal(map[string]any{"c": r.Clusters, "l": r.Listeners})
	if err != nil {
		t.Fatal(err)
	}
	for name := range r.Secrets {
		if !strings.Contains(string(encoded), name) && !anyContains(t, r, name) {
			t.Errorf("nothing names secret %q", name)
		}
	}
	for name := range r.Endpoints {
		if r.Clusters[name] == nil {
			t.Errorf("nothing names endpoints %q", name)
		}
	}
	used := map[string]bool{}
	for _, listener := range r.Listeners {
		for _, chain := range listener.GetFilterChains() {
			used[string(chain.GetFilters()[0].GetTypedConfig().GetValue())] = true
		}
	}
	if len(used) != len(r.Routes) {
		t.Errorf("%d route configurations for %d chains", len(r.Routes), len(used))
	}
}

func anyContains(t *testing.T, r *envoy.Resources, name string) bool {
	t.Helper()
	for _, c := range r.Clusters {
		if strings.Contains(string(c.GetTransportSocket().GetTypedConfig().GetValue()), name) {
			return true
		}
	}
	for _, l := range r.Listeners {
		for _, chain := range l.GetFilterChains() {
			if strings.Contains(string(chain.GetTransportSocket().GetTypedConfig().GetValue()), name) {
				return true
			}
		}
	}
	return false
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	gw := healthy(t)
	r, err := envoy.Build(gw, envoy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(encoded), "[redacted]") {
		t.Errorf("no key is redacted: %s", encoded)
	}
	if got := string(r.Secrets["pair/default/secret/client"].GetTlsCertificate().GetPrivateKey().GetInlineBytes()); got != string(gw.Secrets[1].Key) {
		t.Error("printing has changed the resources")
	}
}

func TestProblemsOfOtherErrors(t *testing.T) {
	t.Parallel()
	if got := envoy.Problems(nil); got != nil {
		t.Errorf("problems of nil: %v", got)
	}
	if got := envoy.Problems(errors.New("other")); got != nil {
		t.Errorf("problems of another error: %v", got)
	}
}
