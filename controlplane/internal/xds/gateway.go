package xds

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/go-logr/logr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gateway holds what the proxies of one Gateway shall run, what is served to
// them now, and their streams. Its run method moves the one to the other.
type gateway struct {
	name    ir.Name
	options Options
	log     logr.Logger
	changed func()
	// wake tells run that something may be done.
	wake chan struct{}
	// caches answer the watches of all streams. They change only in run.
	caches [kindCount]*cache.LinearCache

	mu      sync.Mutex
	pending *publication
	target  *target
	// served is the content of caches.
	served [kindCount]map[string]versioned
	// todo is the difference of target and served.
	todo    [kindCount]difference
	streams map[*stream]struct{}
	// open is set from the first step until run ends.
	open bool
	// decided is closed when open has been set, or will never be.
	decided chan struct{}
	wait    wait
	// unused says since when nothing has used a served resource.
	unused [kindCount]map[string]time.Time
	// state is what State returns.
	state State
}

// publication is a call of Publish.
type publication struct {
	revision  uint64
	resources *envoy.Resources
	at        time.Time
}

// difference is what must change in a cache.
type difference struct{ upsert, extra []string }

func newGateway(name ir.Name, o Options, changed func()) *gateway {
	g := &gateway{
		name:    name,
		options: o,
		log:     o.Logger.WithValues("gateway", name.String()),
		changed: changed,
		wake:    make(chan struct{}, 1),
		decided: make(chan struct{}),
		streams: map[*stream]struct{}{},
	}
	for k := range kindCount {
		g.caches[k] = cache.NewLinearCache(k.typeURL())
		g.served[k] = map[string]versioned{}
		g.unused[k] = map[string]time.Time{}
	}
	return g
}

// publish makes the resources the target, after any call before it.
func (g *gateway) publish(revision uint64, r *envoy.Resources) {
	g.mu.Lock()
	g.pending = &publication{revision: revision, resources: r, at: time.Now()}
	g.mu.Unlock()
	g.poke()
}

// poke makes run look again.
func (g *gateway) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run serves the target step by step until the context ends.
func (g *gateway) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.take()
		if next := g.step(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			g.shut()
			return
		case <-g.wake:
		case <-timer.C:
		}
	}
}

// take makes the latest publication the target. It hashes without the lock.
func (g *gateway) take() {
	g.mu.Lock()
	pending, before := g.pending, g.target
	g.pending = nil
	g.mu.Unlock()
	if pending == nil {
		return
	}
	next, err := newTarget(pending.revision, pending.resources, before)
	if err != nil {
		g.log.Error(err, "Resources cannot be encoded", "revision", pending.revision)
		return
	}
	next.published = pending.at
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target = next
	for k := range kindCount {
		g.compare(k)
	}
}

// compare finds what must change in the cache of a kind.
func (g *gateway) compare(k kind) {
	d := difference{}
	for name, resource := range g.target.sets[k] {
		if served, ok := g.served[k][name]; !ok || served.version != resource.version {
			d.upsert = append(d.upsert, name)
		}
		delete(g.unused[k], name)
	}
	for name := range g.served[k] {
		if _, ok := g.target.sets[k][name]; !ok {
			d.extra = append(d.extra, name)
		}
	}
	slices.Sort(d.extra)
	g.todo[k] = d
}

// apply changes the cache of a kind in one step: go-control-plane sends each
// proxy one response with all of it.
func (g *gateway) apply(k kind, remove []string) {
	upsert := g.todo[k].upsert
	if len(upsert) == 0 && len(remove) == 0 {
		return
	}
	update := make(map[string]types.Resource, len(upsert))
	for _, name := range upsert {
		resource := g.target.sets[k][name]
		update[name] = resource.resource
		g.served[k][name] = resource
	}
	for _, name := range remove {
		delete(g.served[k], name)
		delete(g.unused[k], name)
	}
	for s := range g.streams {
		s.tracks[k].stale = true
	}
	if err := g.caches[k].UpdateResources(update, remove); err != nil {
		g.log.Error(err, "Resources cannot be served", "type", k.typeURL())
	}
	g.compare(k)
}

// enter adds a stream. It waits until something is served, and fails when that
// has ended: an empty answer would wipe a running proxy.
func (g *gateway) enter(ctx context.Context, s *stream) bool {
	select {
	case <-g.decided:
	case <-ctx.Done():
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		return false
	}
	g.streams[s] = struct{}{}
	g.poke()
	return true
}

func (g *gateway) leave(s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
	g.poke()
}

// decide lets streams in, or turns them away.
func (g *gateway) decide(open bool) {
	g.open = open
	select {
	case <-g.decided:
	default:
		close(g.decided)
	}
}

// shut ends all streams and lets no other in.
func (g *gateway) shut() {
	g.mu.Lock()
	g.decide(false)
	g.mu.Unlock()
	g.disconnect(errShutdown())
}

// disconnect ends all streams.
func (g *gateway) disconnect(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.streams {
		s.cancel(cause)
	}
}

// refreshState recomputes State, and signals when it has changed.
func (g *gateway) refreshState() {
	next := State{Connected: len(g.streams)}
	first := true
	var rejections []Rejection
	for s := range g.streams {
		if s.answered() {
			s.acked = g.target.revision
		}
		if first || s.acked < next.AckedRevision {
			next.AckedRevision = s.acked
		}
		first = false
		rejections = append(rejections, s.rejections()...)
	}
	next.Rejections = compactRejections(rejections)
	if len(g.streams) == 0 {
		// A proxy that comes back rejects again what it has rejected.
		next.Rejections = g.state.Rejections
	}
	if !next.equal(g.state) {
		g.state = next
		g.changed()
	}
}

func (g *gateway) currentState() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.clone()
}
