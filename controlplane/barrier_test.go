package controlplane

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
)

// cacheAndServer is an API server and a cache that lags behind it.
type cacheAndServer struct {
	server, cache source.Versions
	err           error
	// asked are the namespaces of each question.
	asked [][]string
	// patience is how long the last question waits.
	patience time.Duration
}

func (a *cacheAndServer) Require(ctx context.Context, namespaces []string) (source.Versions, error) {
	deadline, _ := ctx.Deadline()
	a.patience = time.Until(deadline)
	a.asked = append(a.asked, slices.Clone(namespaces))
	return a.server, a.err
}

func (a *cacheAndServer) Now() source.Versions { return a.cache }

func plaintext(statName string) *ir.Cluster { return &ir.Cluster{StatName: statName} }

func encrypted(statName string) *ir.Cluster {
	return &ir.Cluster{StatName: statName, TLS: &ir.UpstreamTLS{}}
}

func gatewayOf(clusters ...*ir.Cluster) *ir.Gateway {
	return &ir.Gateway{Name: ir.Name{Namespace: "infra", Name: "http"}, Clusters: clusters}
}

func policiesAt(version string) source.Versions { return source.Versions{"policies": version} }

// step looks at g through the barrier, as publish does, and publishes it when
// it may. It tells whether it did.
func step(t *testing.T, b *barrier, g *ir.Gateway, seen source.Versions) bool {
	t.Helper()
	if waiting := b.waiting(g, seen); len(waiting) > 0 {
		_ = b.ask(t.Context(), map[ir.Name][]string{g.Name: waiting}, map[string]string{"a": "ns-a", "b": "ns-b"})
	}
	if len(b.waiting(g, seen)) > 0 {
		return false
	}
	b.published(g)
	return true
}

func newTestBarrier(a *cacheAndServer) (*barrier, *testingclock.FakeClock) {
	clock := testingclock.NewFakeClock(time.Unix(0, 0))
	return newBarrier(a, clock), clock
}

// TestBarrierWaitsForADelayedCache is the case it is for: a policy was
// written, the route after it, and the route is seen first.
func TestBarrierWaitsForADelayedCache(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{server: policiesAt("7"), cache: policiesAt("5")}
	b, _ := newTestBarrier(a)
	g := gatewayOf(plaintext("a"))
	held := map[ir.Name][]string{g.Name: {"a"}}
	if step(t, b, g, policiesAt("5")) {
		t.Fatal("published in plaintext before the policy was seen")
	}
	if b.due(held) {
		t.Error("due before the cache has the policy")
	}
	a.cache = policiesAt("7")
	if !b.due(held) {
		t.Error("not due when the cache has the policy")
	}
	// The policy was about the backend.
	if !step(t, b, gatewayOf(encrypted("a")), policiesAt("7")) {
		t.Error("TLS is held")
	}
	// What clients encrypt needs no policy.
	if !step(t, b, gatewayOf(&ir.Cluster{StatName: "a_passthrough", Passthrough: true}), policiesAt("5")) {
		t.Error("TLS that passes through is held")
	}
	// The policy was about something else.
	if !step(t, b, g, policiesAt("7")) || len(a.asked) != 2 {
		t.Errorf("an edge that came back is not published, or was not asked about anew: %v", a.asked)
	}
}

func TestBarrierPassesWhenTheAnswerIsSeen(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{server: policiesAt("5"), cache: policiesAt("5")}
	b, _ := newTestBarrier(a)
	if !step(t, b, gatewayOf(plaintext("a"), plaintext("b")), policiesAt("5")) {
		t.Fatal("held though everything has been seen")
	}
	if diff := cmp.Diff([][]string{{"ns-a", "ns-b"}}, a.asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	a.server = policiesAt("9")
	if !step(t, b, gatewayOf(plaintext("a")), policiesAt("5")) || len(a.asked) != 1 {
		t.Error("an edge that is open was asked about again")
	}
}

// TestBarrierAsksAnewForAnEdgeThatComesBack: between the two, a policy may
// have been written that the first answer does not know.
func TestBarrierAsksAnewForAnEdgeThatComesBack(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{server: policiesAt("7")}
	b, _ := newTestBarrier(a)
	step(t, b, gatewayOf(plaintext("a"), plaintext("b")), policiesAt("5"))
	step(t, b, gatewayOf(plaintext("b")), policiesAt("5"))
	a.server = policiesAt("9")
	if step(t, b, gatewayOf(plaintext("a"), plaintext("b")), policiesAt("8")) {
		t.Error("an old answer opened an edge")
	}
}

func TestBarrierFailsClosed(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{err: errors.New("the server is away"), cache: policiesAt("5")}
	b, clock := newTestBarrier(a)
	g := gatewayOf(plaintext("a"))
	held := map[ir.Name][]string{g.Name: {"a"}}
	if step(t, b, g, policiesAt("5")) {
		t.Fatal("published without an answer")
	}
	if b.due(held) {
		t.Error("asks again at once")
	}
	clock.Step(askAgain)
	if !b.due(held) {
		t.Error("does not ask again")
	}
	a.server, a.err = policiesAt("5"), nil
	if !step(t, b, g, policiesAt("5")) {
		t.Error("held though the answer is there")
	}
}

// TestBarrierForgetsAnAnswerThatIsNotReached: the policy that it was about may
// have been deleted while a watch was broken, and the cache never hears of it.
func TestBarrierForgetsAnAnswerThatIsNotReached(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{server: policiesAt("7"), cache: policiesAt("5")}
	b, clock := newTestBarrier(a)
	g := gatewayOf(plaintext("a"))
	step(t, b, g, policiesAt("5"))
	clock.Step(askAgain)
	a.server = source.Versions{}
	if !b.due(map[ir.Name][]string{g.Name: {"a"}}) || !step(t, b, g, policiesAt("5")) {
		t.Error("waits for a policy that is gone")
	}
}

func TestBarrierForgetsGateways(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{server: policiesAt("5")}
	b, _ := newTestBarrier(a)
	g := gatewayOf(plaintext("a"))
	step(t, b, g, policiesAt("5"))
	b.forget(g.Name)
	step(t, b, g, policiesAt("5"))
	if len(a.asked) != 2 {
		t.Errorf("asked %d times, want once for each life of the Gateway", len(a.asked))
	}
}

// TestBarrierGivesTheServerTime: one that is too slow for the first question is
// asked for longer.
func TestBarrierGivesTheServerTime(t *testing.T) {
	t.Parallel()
	a := &cacheAndServer{err: context.DeadlineExceeded}
	b, clock := newTestBarrier(a)
	for _, want := range []time.Duration{askTimeout, 2 * askTimeout, 4 * askTimeout, 8 * askTimeout, 8 * askTimeout} {
		if step(t, b, gatewayOf(plaintext("a")), policiesAt("1")) {
			t.Fatal("published without an answer")
		}
		if a.patience > want || a.patience <= want/2 {
			t.Errorf("the question waits for %v, want %v", a.patience, want)
		}
		clock.Step(askAgain)
	}
	a.err, a.server = nil, policiesAt("1")
	if !step(t, b, gatewayOf(plaintext("a")), policiesAt("1")) {
		t.Error("not published after the answer")
	}
	a.err = context.DeadlineExceeded
	if step(t, b, gatewayOf(plaintext("b")), policiesAt("1")); a.patience > askTimeout {
		t.Errorf("after an answer a question waits for %v, want %v", a.patience, askTimeout)
	}
}
