package xds

import (
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestWaitForOldClusters has a proxy that runs the new routes and never
// answers that old clusters are gone: what these named must go all the same.
func TestWaitForOldClusters(t *testing.T) {
	t.Parallel()
	options := Options{Logger: testr.New(t), AckTimeout: time.Second, RemoveGrace: time.Millisecond}
	g := newGateway(ir.Name{Namespace: "infra", Name: "http"}, options, func() {})
	build := func(clusters ...*ir.Cluster) *envoy.Resources {
		r, err := envoy.Build(&ir.Gateway{Clusters: clusters}, envoy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	now := time.Now()
	g.publish(1, build(&ir.Cluster{Name: "old", StatName: "old"}))
	g.take()
	g.step(now)
	s := newStream(g, "stuck", func(error) {})
	s.serving = true
	for _, k := range []kind{clusters, listeners} {
		s.change(k, func(t *track) { t.asked = true })
	}
	s.change(clusters, func(t *track) { t.known["old"] = g.served[clusters]["old"].version })
	g.streams[s] = struct{}{}

	g.publish(2, build())
	g.take()
	for range 10 {
		// Something happens often, and at the deadline it is looked at too.
		now = now.Add(options.AckTimeout / 4)
		g.step(now)
	}
	if len(g.served[clusters]) > 0 {
		t.Fatalf("clusters are still served: %v", g.served[clusters])
	}
	if len(g.served[endpoints]) > 0 {
		t.Errorf("endpoints are still served after %s: %v", 10*options.AckTimeout/4, g.served[endpoints])
	}
	if !s.lagging {
		t.Error("the proxy is still waited for")
	}
}
