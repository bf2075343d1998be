package envoy_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestMirrors copies requests to a backend that fails, to one by TLS and to
// one that is not there: copies are whole, and nobody sees what they come to.
func TestMirrors(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "mirror")
	trusted := &ir.Secret{Name: "trust/default/configmap/ca", Kind: ir.SecretTrustBundle, Certificates: ca.PEM}
	secure := envoytest.StartBackend(t, "secure", ca.Issue(t, []string{"mirror.example"}, nil))
	origin := record(t, "origin", nil)
	copied := record(t, "copied", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusTeapot) })
	byTLS, gone := staticCluster("secure", secure.Port), staticCluster("gone", envoytest.FreePort(t))
	byTLS.TLS = &ir.UpstreamTLS{SNI: "mirror.example", SANs: []ir.SAN{{Value: "mirror.example"}}, TrustBundle: trusted.Name}
	byTLS.SetName()

	route := sending("/all", origin.cluster)
	route.RequestHeaders.Set = []ir.Header{{Name: "X-Seen", Value: "yes"}}
	route.Forward.HostRewrite, route.Forward.Path = "rewritten.example", &ir.PathRewrite{IsPrefix: true, Prefix: "/new"}
	for _, c := range []*ir.Cluster{copied.cluster, byTLS, gone} {
		route.Forward.Mirrors = append(route.Forward.Mirrors, ir.Mirror{Cluster: c.Name, Numerator: 1, Denominator: 1})
	}
	s := serve(t, []*ir.Cluster{origin.cluster, copied.cluster, byTLS, gone}, []*ir.Secret{trusted}, route)

	const n = 20
	large := strings.Repeat("x", 200_000) // More than a connection buffers.
	for i := range n {
		got := s.ask(t, http.MethodPost, fmt.Sprintf("/all?n=%d", i), fmt.Sprint("body ", i, large))
		if got.status != http.StatusOK || got.header.Get("X-Backend") != "origin" {
			t.Errorf("request %d: status %d of %q", i, got.status, got.header.Get("X-Backend"))
		}
	}
	envoytest.Eventually(t, 10*time.Second, func() error {
		if encrypted, plain := secure.Counts(); len(copied.requests("/new")) < n || encrypted < n || plain > 0 {
			return fmt.Errorf("copies: %d, by TLS %d, in plaintext %d", len(copied.requests("/new")), encrypted, plain)
		}
		return nil
	})
	want, got := origin.requests("/new"), copied.requests("/new")
	slices.Sort(got)
	slices.Sort(want)
	if len(want) != n || !strings.HasPrefix(want[0], "POST rewritten.example/new?n=0 yes body 0x") {
		t.Errorf("%d requests, the first begins with %.80q", len(want), want[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copies differ (-request +copy):\n%s", diff)
	}
}

// TestMirrorsOfAShare counts copies. A right share fails each bound, of five
// standard deviations, once in millions of runs.
func TestMirrorsOfAShare(t *testing.T) {
	t.Parallel()
	const n = 1000
	shares := []struct{ numerator, denominator uint32 }{{0, 100}, {20, 100}, {1, 3}, {99, 100}, {100, 100}}
	origin := record(t, "origin", nil)
	clusters, routes := []*ir.Cluster{origin.cluster}, []*ir.Route{}
	var backends []*recorder
	for i, share := range shares {
		backend := record(t, fmt.Sprint("copied-", i), nil)
		route := sending(fmt.Sprint("/", i), origin.cluster)
		route.Forward.Mirrors = []ir.Mirror{{Cluster: backend.cluster.Name, Numerator: share.numerator, Denominator: share.denominator}}
		backends, clusters, routes = append(backends, backend), append(clusters, backend.cluster), append(routes, route)
	}
	s := serve(t, clusters, nil, routes...)
	for i, share := range shares {
		path := fmt.Sprint("/", i)
		for range n {
			s.ask(t, http.MethodGet, path, "")
		}
		p := float64(share.numerator) / float64(share.denominator)
		margin := 5 * math.Sqrt(n*p*(1-p))
		stat := "cluster." + backends[i].cluster.StatName + ".upstream_rq_"
		envoytest.Eventually(t, 10*time.Second, func() error {
			under := s.envoy.Stat(t, stat+"active") + s.envoy.Stat(t, stat+"pending_active")
			got := float64(len(backends[i].requests(path)))
			if under > 0 || math.Abs(got-n*p) > margin {
				return fmt.Errorf("%d of %d: %v copies of %d requests, want %.0f +- %.0f; %d are under way",
					share.numerator, share.denominator, got, n, n*p, margin, under)
			}
			return nil
		})
	}
}
