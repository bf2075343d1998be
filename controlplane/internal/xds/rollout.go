package xds

import (
	"slices"
	"time"
)

// stage is a point of the rollout at which proxies are waited for; zero is
// none.
type stage int

const (
	// newClusters: the new clusters must be warm before routes use them. Envoy
	// withholds its ACK until they are.
	newClusters stage = iota + 1
	// newRoutes: the new routes must run before old clusters go.
	newRoutes
	// oldClusters: old clusters must be gone before what they name goes.
	oldClusters
)

// wait is the stage at which the rollout waits, and since when.
type wait struct {
	stage stage
	since time.Time
}

// step does what can be done now, and tells when to look again if nothing
// happens before; zero is never. It compares what is served with the newest
// target only, so that a target that was published during an older rollout
// takes over at any point, and whatever neither uses any more is found and
// removed.
func (g *gateway) step(now time.Time) (next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.target == nil {
		return time.Time{}
	}
	next = sooner(g.roll(now), g.welcome(now))
	g.decide(true)
	g.refreshState()
	return next
}

func (g *gateway) roll(now time.Time) (next time.Time) {
	g.apply(secrets, nil)
	g.apply(endpoints, nil)
	g.apply(clusters, nil)
	if g.differs(routes) || g.differs(listeners) || len(g.todo[listeners].extra) > 0 {
		if deadline, waiting := g.waitFor(newClusters, now, clusters); waiting {
			return g.earliest(deadline)
		}
		g.wait = wait{} // What is waited for from here on is new.
		g.apply(routes, nil)
		// Old and new listeners in one response: Envoy frees the ports of the
		// old ones first.
		g.apply(listeners, g.todo[listeners].extra)
	}
	return g.retire(now)
}

func (g *gateway) differs(k kind) bool { return len(g.todo[k].upsert) > 0 }

// waitFor tells whether serving proxies still have to answer for the kinds. A
// proxy that does not within AckTimeout lags: it is waited for no more until
// it has answered for everything.
func (g *gateway) waitFor(at stage, now time.Time, kinds ...kind) (deadline time.Time, waiting bool) {
	var slow []*stream
	for s := range g.streams {
		if s.waitedFor() && slices.ContainsFunc(kinds, func(k kind) bool { return !s.settled(k) }) {
			slow = append(slow, s)
		}
	}
	if len(slow) == 0 {
		if g.wait.stage == at {
			g.wait = wait{}
		}
		return time.Time{}, false
	}
	if g.wait.stage != at {
		g.wait = wait{stage: at, since: now}
	}
	deadline = g.wait.since.Add(g.options.AckTimeout)
	if now.Before(deadline) {
		return deadline, true
	}
	for _, s := range slow {
		s.lagging = true
		g.log.Info("A proxy has not answered in time and is waited for no more", "peer", s.peer)
	}
	g.wait = wait{}
	return time.Time{}, false
}

// retire removes what nothing has used for RemoveGrace: clusters and routes
// once proxies run the new routes, then what only the old clusters named.
func (g *gateway) retire(now time.Time) (next time.Time) {
	if deadline, waiting := g.waitFor(newRoutes, now, routes, listeners); waiting {
		return g.earliest(deadline)
	}
	g.markUnused(clusters, now, g.todo[clusters].extra)
	g.markUnused(routes, now, g.todo[routes].extra)
	g.apply(clusters, g.expired(clusters, now))
	g.apply(routes, g.expired(routes, now))

	if deadline, waiting := g.waitFor(oldClusters, now, clusters); waiting {
		return g.earliest(deadline)
	}
	if len(g.todo[clusters].extra) == 0 {
		g.markUnused(secrets, now, g.todo[secrets].extra)
		g.markUnused(endpoints, now, g.todo[endpoints].extra)
	}
	g.apply(endpoints, g.expired(endpoints, now))
	g.apply(secrets, g.expired(secrets, now))
	return g.earliest(time.Time{})
}

func (g *gateway) markUnused(k kind, now time.Time, names []string) {
	for _, name := range names {
		if _, marked := g.unused[k][name]; !marked {
			g.unused[k][name] = now
		}
	}
}

// expired are the names whose grace is over.
func (g *gateway) expired(k kind, now time.Time) []string {
	var names []string
	for name, since := range g.unused[k] {
		if !now.Before(since.Add(g.options.RemoveGrace)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// earliest is the first of the deadline and the ends of graces.
func (g *gateway) earliest(deadline time.Time) time.Time {
	for k := range kindCount {
		for _, since := range g.unused[k] {
			deadline = sooner(deadline, since.Add(g.options.RemoveGrace))
		}
	}
	return deadline
}
