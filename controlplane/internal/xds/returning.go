package xds

import (
	"maps"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
)

// returning is what is special about a proxy that comes with a configuration
// from an earlier stream, whose controller may have published another since.
// Its routes must not change before its new clusters are warm, and its old
// clusters must not go before its routes have changed; nobody else remembers
// these. Only the delta protocol tells what a proxy has.
//
// The fields are guarded by gateway.mu.
type returning struct {
	// since the stream is open.
	since time.Time
	// holding keeps the requests for routes and listeners back.
	holding bool
	// foreign are the clusters that the proxy has and nobody serves; what is
	// to be removed of them is asked for by dropping.
	foreign  map[string]string
	unused   time.Time
	dropping bool
	// nudge makes go-control-plane look at the clusters again.
	nudge func()
}

// claim takes the foreign ones out of the clusters that the proxy has.
func (r *returning) claim(initial map[string]string, served map[string]versioned) map[string]string {
	own := maps.Clone(initial)
	r.foreign = map[string]string{}
	for name, version := range initial {
		if _, ok := served[name]; !ok {
			r.foreign[name] = version
			delete(own, name)
		}
	}
	return own
}

// hide shows go-control-plane a proxy without its foreign clusters, until they
// are to be removed: then it shows those that still nobody serves.
func (s *stream) hide(sub cache.Subscription) cache.Subscription {
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	if len(s.foreign) == 0 {
		return sub
	}
	returned := maps.Clone(sub.ReturnedResources())
	for name, version := range s.foreign {
		_, served := s.gateway.served[clusters][name]
		switch {
		case served && returned[name] == version:
			// It is served again, and go-control-plane knows what the proxy has, so
			// that nothing is sent that would tell us.
			s.tracks[clusters].known[name] = version
			s.tracks[clusters].stale = true
		case s.dropping && !served:
			returned[name] = version
		default:
			delete(returned, name)
		}
	}
	if s.dropping {
		s.foreign, s.dropping = nil, false
	}
	return subscription{Subscription: sub, returned: returned}
}

// welcome lets returning proxies go on as far as they can, and gives the time
// to look again, if any.
func (g *gateway) welcome(now time.Time) (next time.Time) {
	for s := range g.streams {
		next = sooner(next, s.goOn(now))
	}
	return next
}

func (s *stream) goOn(now time.Time) (next time.Time) {
	options := s.gateway.options
	if s.holding {
		if deadline := s.since.Add(options.AckTimeout); !s.settled(clusters) && now.Before(deadline) {
			return deadline
		}
		s.holding = false
		s.nudge()
	}
	if len(s.foreign) == 0 || s.dropping {
		return time.Time{}
	}
	if !s.settled(clusters) || !s.settled(routes) || !s.settled(listeners) {
		return time.Time{}
	}
	if s.unused.IsZero() {
		s.unused = now
	}
	if end := s.unused.Add(options.RemoveGrace); now.Before(end) {
		return end
	}
	s.dropping = true
	s.nudge()
	return time.Time{}
}

// sooner is the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
