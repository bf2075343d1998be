package xds

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
)

// stream is one proxy's ADS stream. It is also the cache of the
// go-control-plane server that handles the stream.
//
// Fields but gateway, peer and cancel are guarded by gateway.mu.
type stream struct {
	gateway *gateway
	peer    string
	cancel  context.CancelCauseFunc

	tracks [kindCount]*tracked
	// serving is set once the proxy may have traffic: it came with a
	// configuration, or has asked for listeners, which a new Envoy does when
	// its clusters are warm.
	serving bool
	lagging bool
	// acked is the highest revision that was answered in full.
	acked uint64
	// entered is when the proxy came, and pushed the revision of which it was
	// sent something first.
	entered time.Time
	pushed  uint64
	returning
}

// tracked is a track with a remembered answer of settled.
type tracked struct {
	*track
	stale, wasSettled bool
}

func newStream(g *gateway, peer string, cancel context.CancelCauseFunc) *stream {
	s := &stream{gateway: g, peer: peer, cancel: cancel, entered: time.Now()}
	for k := range kindCount {
		s.tracks[k] = &tracked{track: newTrack(k), stale: true}
	}
	return s
}

// enter makes the stream one of its Gateway's.
func (s *stream) enter(ctx context.Context) error {
	if !s.gateway.enter(ctx, s) {
		return errUnpublished(s.gateway.name)
	}
	return nil
}

// isHolding tells whether requests for routes and listeners wait.
func (s *stream) isHolding() bool {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	return s.holding
}

// change runs f on the track of a kind and lets the rollout look at it.
func (s *stream) change(k kind, f func(t *track)) {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	f(s.tracks[k].track)
	s.tracks[k].stale = true
	s.gateway.poke()
}

func (s *stream) settled(k kind) bool {
	t := s.tracks[k]
	if t.stale {
		t.wasSettled = t.settled(s.gateway.served[k])
		t.stale = false
	}
	return t.wasSettled
}

func (s *stream) waitedFor() bool { return s.serving && !s.lagging }

// answered tells whether the proxy has answered for the whole target, and
// ends its lagging if it has. What a proxy is yet to ask for, because it has
// only just heard of its name, counts as unanswered, unless a rejection is the
// reason why it will not ask.
func (s *stream) answered() bool {
	g := s.gateway
	if g.differs(routes) || g.differs(listeners) {
		return false
	}
	healthy := true
	for k := range kindCount {
		if !s.settled(k) {
			return false
		}
		healthy = healthy && len(s.tracks[k].rejected) == 0
	}
	s.lagging = false
	if s.acked == g.target.revision || !healthy {
		return true
	}
	for _, k := range []kind{secrets, endpoints, routes} {
		if !s.tracks[k].knows(g.target.sets[k]) {
			return false
		}
	}
	return true
}

// answer notes an ACK or, with a detail, a NACK.
func (s *stream) answer(k kind, nonce string, detail *status.Status) {
	s.gateway.options.Observer.Answered(k.typeURL(), detail == nil)
	s.change(k, func(t *track) {
		if detail == nil {
			t.accept(nonce)
			return
		}
		if guilty := t.reject(nonce, detail.GetMessage()); len(guilty) > 0 {
			s.gateway.log.Info("A proxy rejects resources",
				"peer", s.peer, "type", k.typeURL(), "names", guilty, "message", detail.GetMessage())
		}
	})
}

// sent notes that a response of a kind has been sent.
func (s *stream) sent(k kind) {
	s.gateway.options.Observer.Sent(k.typeURL())
	s.gateway.mu.Lock()
	target := s.gateway.target
	first := target != nil && s.pushed != target.revision && s.entered.Before(target.published)
	if first {
		s.pushed = target.revision
	}
	s.gateway.mu.Unlock()
	if first {
		s.gateway.options.Observer.Pushed(time.Since(target.published))
	}
}

// rejections are what stands rejected of what is served.
func (s *stream) rejections() []Rejection {
	var out []Rejection
	for k := range kindCount {
		unnamed := map[string]bool{}
		for name, r := range s.tracks[k].rejected {
			if _, ok := s.gateway.served[k][name]; !ok {
				continue
			}
			rejection := Rejection{TypeURL: k.typeURL(), Message: r.message}
			if !r.unnamed {
				rejection.Resources = []string{name}
			} else if unnamed[r.message] {
				continue
			}
			unnamed[r.message] = unnamed[r.message] || r.unnamed
			out = append(out, rejection)
		}
	}
	return out
}

// subscription shows go-control-plane a proxy that does not have some
// resources, so that it sends them.
type subscription struct {
	cache.Subscription
	returned map[string]string
}

// ReturnedResources are what the proxy has.
func (s subscription) ReturnedResources() map[string]string { return s.returned }

// forgetting is the subscription as if the proxy did not have the names.
func forgetting(sub cache.Subscription, names []string) cache.Subscription {
	returned := sub.ReturnedResources()
	if !slices.ContainsFunc(names, func(name string) bool { _, ok := returned[name]; return ok }) {
		return sub
	}
	returned = maps.Clone(returned)
	for _, name := range names {
		delete(returned, name)
	}
	return subscription{Subscription: sub, returned: returned}
}
