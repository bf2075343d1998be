package controlplane

import (
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// fakeProxies remember what they are given, and answer what the test says.
type fakeProxies struct {
	revisions []uint64
	removed   []ir.Name
	state     xds.State
}

func (f *fakeProxies) Publish(_ ir.Name, revision uint64, _ *envoy.Resources) {
	f.revisions = append(f.revisions, revision)
}
func (f *fakeProxies) Remove(gateway ir.Name)  { f.removed = append(f.removed, gateway) }
func (f *fakeProxies) State(ir.Name) xds.State { return f.state }
func (*fakeProxies) Changed() <-chan struct{}  { return nil }

// newTestPipeline has an API server that answers every question at once.
func newTestPipeline(t *testing.T) (*pipeline, *fakeProxies, *cacheAndServer) {
	t.Helper()
	fake, server := &fakeProxies{}, &cacheAndServer{server: policiesAt("5")}
	clock := testingclock.NewFakeClock(time.Unix(0, 0))
	return &pipeline{
		options: Options{Clock: clock, Log: testr.New(t)}, proxies: fake, barrier: newBarrier(server, clock),
		gateways: map[ir.Name]*published{}, together: map[ir.Name]*together{}, heldSince: map[ir.Name]time.Time{},
		started: clock.Now(), last: source.Delivery{Seen: policiesAt("5")},
	}, fake, server
}

// translatedTo is a translation with the outcome gateways.
func (p *pipeline) translatedTo(t *testing.T, gateways ...*ir.Gateway) {
	t.Helper()
	p.result = &ir.Result{Gateways: gateways}
	p.revision++
	p.remove()
	p.publish(t.Context())
}

// liveOf is what a report would say of g.
func (p *pipeline) liveOf(g *ir.Gateway) status.Live { return p.live(g, p.answers()[g.Name]) }

func generation(g *ir.Gateway, n int64) *ir.Gateway {
	g.Generation = n
	return g
}

func TestOnlyWhatIsNewIsPublished(t *testing.T) {
	t.Parallel()
	p, fake, _ := newTestPipeline(t)
	p.translatedTo(t, generation(gatewayOf(), 1))
	p.translatedTo(t, generation(gatewayOf(), 1))
	p.translatedTo(t, generation(gatewayOf(), 2))
	if len(fake.revisions) != 2 || fake.revisions[1] != 3 {
		t.Errorf("revisions %v were published, want 1 and 3", fake.revisions)
	}
	p.translatedTo(t)
	if len(fake.removed) != 1 || len(p.gateways) != 0 {
		t.Errorf("removed %v, still known: %v", fake.removed, p.gateways)
	}
}

func TestAcknowledged(t *testing.T) {
	t.Parallel()
	p, fake, _ := newTestPipeline(t)
	acknowledged := func(state xds.State) bool {
		fake.state = state
		return p.liveOf(p.result.Gateways[0]).Acknowledged
	}
	p.translatedTo(t, generation(gatewayOf(), 1))
	if acknowledged(xds.State{Connected: 1}) {
		t.Error("acknowledged before the answer")
	}
	if !acknowledged(xds.State{Connected: 1, AckedRevision: 1}) {
		t.Error("not acknowledged after the answer")
	}
	if !acknowledged(xds.State{Connected: 2}) {
		t.Error("one that has just connected takes the acknowledgement away")
	}
	if acknowledged(xds.State{}) {
		t.Error("acknowledged though nobody is connected")
	}
	p.translatedTo(t, generation(gatewayOf(), 2))
	if acknowledged(xds.State{Connected: 1, AckedRevision: 1}) {
		t.Error("the answer to the old generation counts for the new one")
	}
	if !acknowledged(xds.State{Connected: 1, AckedRevision: 2}) {
		t.Error("not acknowledged after the answer to the new generation")
	}
}

func TestListenerSetsAreAcknowledged(t *testing.T) {
	t.Parallel()
	p, fake, server := newTestPipeline(t)
	with := func(sets string, clusters ...*ir.Cluster) *ir.Gateway {
		g := generation(gatewayOf(clusters...), 1)
		g.ListenerSets = sets
		return g
	}
	check := func(state xds.State, all, sets bool) {
		t.Helper()
		fake.state = state
		if live := p.liveOf(p.result.Gateways[0]); live.Acknowledged != all || live.SetsAcknowledged != sets {
			t.Errorf("%+v, want %t and %t", live, all, sets)
		}
	}
	p.translatedTo(t, with("a"))
	check(xds.State{Connected: 1}, false, false)
	check(xds.State{Connected: 1, AckedRevision: 1}, true, true)
	p.translatedTo(t, with("b"))
	check(xds.State{Connected: 1, AckedRevision: 1}, true, false)
	check(xds.State{Connected: 1, AckedRevision: 2}, true, true)

	// While it is held, what Envoy has answered is something else.
	server.server = policiesAt("7")
	p.translatedTo(t, with("c", plaintext("a")))
	check(xds.State{Connected: 1, AckedRevision: 2}, true, false)
}

func TestHeldGatewaysKeepWhatTheyRun(t *testing.T) {
	t.Parallel()
	p, fake, server := newTestPipeline(t)
	p.translatedTo(t, generation(gatewayOf(), 1))
	server.server = policiesAt("7")
	p.translatedTo(t, generation(gatewayOf(plaintext("a")), 2))
	if len(fake.revisions) != 1 {
		t.Error("published before the policies were seen")
	}
	if live := p.liveOf(p.result.Gateways[0]); live.Held == "" || live.Acknowledged {
		t.Errorf("the status does not say that the Gateway is held: %+v", live)
	}
	p.last.Seen = policiesAt("7")
	p.translatedTo(t, generation(gatewayOf(plaintext("a")), 2))
	if live := p.liveOf(p.result.Gateways[0]); len(fake.revisions) != 2 || live.Held != "" {
		t.Errorf("still held: %+v", live)
	}
}
