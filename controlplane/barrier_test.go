package controlplane

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
)

// cacheAndServer is an API server and a cache that lags behind it.
type cacheAndServer struct {
	server, cache source.Versions
	err           error
	// gone are the ways that the server does not have.
	gone []ir.Ref
	// asked are the questions.
	asked []source.Question
	// patience is how long the last question waits.
	patience time.Duration
}

func (a *cacheAndServer) Ask(ctx context.Context, q source.Question) (*source.Answer, error) {
	deadline, _ := ctx.Deadline()
	a.patience = time.Until(deadline)
	a.asked = append(a.asked, q)
	if a.err != nil {
		return nil, a.err
	}
	answer := &source.Answer{Required: a.server, Ways: map[ir.Ref]bool{}}
	for _, way := range q.Ways {
		answer.Ways[way] = !slices.Contains(a.gone, way)
	}
	return answer, nil
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

func routeNamed(name string) ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: "HTTPRoute", Name: ir.Name{Namespace: "apps", Name: name}}
}

// edgesOver has the edges a and b; routes lead to a.
func edgesOver(routes ...ir.Ref) map[string]ir.PlaintextEdge {
	return map[string]ir.PlaintextEdge{
		"a": {Namespace: "ns-a", Cluster: "a", Ways: routes}, "b": {Namespace: "ns-b", Cluster: "b"},
	}
}

// step looks at g through the barrier, as publish does, and publishes it when
// it may. It tells whether it did.
func step(t *testing.T, b *barrier, g *ir.Gateway, seen source.Versions, routes ...ir.Ref) bool {
	t.Helper()
	all := edgesOver(routes...)
	if waiting := b.waiting(g, all, seen); len(waiting) > 0 {
		_ = b.ask(t.Context(), map[ir.Name][]string{g.Name: waiting}, all)
	}
	if len(b.waiting(g, all, seen)) > 0 {
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
	if b.due(held, edgesOver()) {
		t.Error("due before the cache has the policy")
	}
	a.cache = policiesAt("7")
	if !b.due(held, edgesOver()) {
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
	if diff := cmp.Diff([]source.Question{{Namespaces: []string{"ns-a", "ns-b"}}}, a.asked); diff != "" {
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
	if b.due(held, edgesOver()) {
		t.Error("asks again at once")
	}
	clock.Step(askAgain)
	if !b.due(held, edgesOver()) {
		t.Error("does not ask again")
	}
	a.server, a.err = policiesAt("5"), nil
	if !step(t, b, g, policiesAt("5")) {
		t.Error("held though the answer is there")
	}
}

// TestBarrierHoldsADeletedRoute: a route was deleted, its policy after it, and
// the policy is seen to go first.
func TestBarrierHoldsADeletedRoute(t *testing.T) {
	t.Parallel()
	old, other := routeNamed("old"), routeNamed("other")
	held := map[ir.Name][]string{gatewayOf().Name: {"a"}}
	for name, before := range map[string]*ir.Gateway{
		"its policy was valid":   gatewayOf(encrypted("a")),
		"its policy was invalid": gatewayOf(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &cacheAndServer{server: policiesAt("5"), cache: policiesAt("5"), gone: []ir.Ref{old}}
			b, clock := newTestBarrier(a)
			if !step(t, b, before, policiesAt("4")) {
				t.Fatal("what needs no question is held")
			}
			if step(t, b, gatewayOf(plaintext("a")), policiesAt("5"), old, other) {
				t.Fatal("a route that is gone opened its backend in plaintext")
			}
			if b.due(held, edgesOver(old, other)) {
				t.Error("due before the cache has lost the route")
			}
			// The policy was also that of a route that is still there.
			if step(t, b, gatewayOf(plaintext("a")), policiesAt("4"), other) || !b.due(held, edgesOver(other)) {
				t.Error("not due when the caches have lost the route and seen the rest")
			}
			if !step(t, b, gatewayOf(plaintext("a")), policiesAt("5"), other) || len(a.asked) != 1 {
				t.Errorf("held without the route, or asked about again: %v", a.asked)
			}
			// The answer is not for good: a watch may be broken.
			b.forget(gatewayOf().Name)
			if step(t, b, gatewayOf(plaintext("a")), policiesAt("5"), old) {
				t.Fatal("the first edges of a Gateway are not asked about")
			}
			clock.Step(askAgain)
			if !b.due(held, edgesOver(old)) {
				t.Error("does not ask again")
			}
		})
	}
}

// TestBarrierAsksAnewForARouteThatJoins: the first answer says nothing of it.
func TestBarrierAsksAnewForARouteThatJoins(t *testing.T) {
	t.Parallel()
	first, second := routeNamed("first"), routeNamed("second")
	a := &cacheAndServer{server: policiesAt("6"), gone: []ir.Ref{second}}
	b, _ := newTestBarrier(a)
	step(t, b, gatewayOf(plaintext("a")), policiesAt("5"), first)
	if step(t, b, gatewayOf(plaintext("a")), policiesAt("6"), first, second) {
		t.Error("a route that nobody asked about opened the edge")
	}
	if len(a.asked) != 2 || !slices.Contains(a.asked[1].Ways, second) {
		t.Errorf("asked %v, want another question about both", a.asked)
	}
}

// TestBarrierLooksForEachEdge: one that has to wait does not keep another from
// being looked at.
func TestBarrierLooksForEachEdge(t *testing.T) {
	t.Parallel()
	old := routeNamed("old")
	a := &cacheAndServer{server: policiesAt("5"), cache: policiesAt("5"), gone: []ir.Ref{old}}
	b, _ := newTestBarrier(a)
	step(t, b, gatewayOf(plaintext("a"), plaintext("b")), policiesAt("4"), old)
	if !b.due(map[ir.Name][]string{gatewayOf().Name: {"a", "b"}}, edgesOver(old)) {
		t.Error("not due though one of the two may pass")
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
	if !b.due(map[ir.Name][]string{g.Name: {"a"}}, edgesOver()) || !step(t, b, g, policiesAt("5")) {
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
