package controlplane

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/metrics"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/translate"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// pipeline takes snapshots on their way to proxies and statuses. All but its
// parts and what is atomic belong to the goroutine of run.
type pipeline struct {
	options Options
	source  *source.Source
	proxies proxies
	barrier *barrier
	metrics *metrics.Metrics
	// replicas are the others of this controller, nil when there are none.
	replicas replicas
	// deployer is nil when proxies are deployed by somebody else.
	deployer deployer
	// settle is how long proxies have to come back after the start, and grace
	// how long those that went may be on their way to another replica.
	settle, grace time.Duration
	// status is nil while another replica leads.
	status atomic.Pointer[status.Writer]
	// led asks for a report to a new status.
	led chan struct{}
	// translated is closed after the first translation.
	translated chan struct{}
	ready      atomic.Bool
	seen       atomic.Pointer[seen]
	watchdog   watchdog

	started  time.Time
	revision uint64
	// last is what was delivered last, and result what it means.
	last   source.Delivery
	uids   map[ir.Name]string
	result *ir.Result
	// edges are those of result without TLS, by cluster.
	edges    map[string]ir.PlaintextEdge
	gateways map[ir.Name]*published
	together map[ir.Name]*together
	// held are the Gateways that the barrier holds, with the edges it is
	// about, and heldSince says since when.
	held      map[ir.Name][]string
	heldSince map[ir.Name]time.Time
	expiry    expiries
	memo      translate.Memo
}

// proxies are reached through an xds.Server.
type proxies interface {
	Publish(gateway ir.Name, revision uint64, r *envoy.Resources)
	Remove(gateway ir.Name)
	State(gateway ir.Name) xds.State
	Changed() <-chan struct{}
}

// replicas are reached through a replica.Exchange.
type replicas interface {
	Set(replica.Report)
	Peers() []replica.Report
	Changed() <-chan struct{}
}

// deployer is a deploy.Writer.
type deployer interface {
	Set(map[ir.Name]deploy.Spec)
	Problem(gateway ir.Name) string
	Changed() <-chan struct{}
}

// published is what the proxies of a Gateway have been given.
type published struct {
	gateway *ir.Gateway
	// uid is that of the object.
	uid string
	// revision is the one under which this generation was given first.
	revision uint64
	// setsRevision is the one under which the ListenerSets were given first.
	setsRevision uint64
	// problems are parts that were left out.
	problems []*envoy.ResourceError
}

// alarms are what the pipeline waits for beside changes.
type alarms struct {
	// settled: proxies have had the time to come back. expired: a certificate
	// means something else. look: the barrier may let something pass. gone:
	// proxies that went are not on their way any more.
	settled, expired, look, gone clock.Timer
}

// run works until ctx ends.
func (p *pipeline) run(ctx context.Context) {
	clock := p.options.Clock
	p.started = clock.Now()
	p.gateways, p.heldSince = map[ir.Name]*published{}, map[ir.Name]time.Time{}
	p.together = map[ir.Name]*together{}
	a := alarms{clock.NewTimer(p.settle), clock.NewTimer(never), clock.NewTimer(never), clock.NewTimer(never)}
	defer a.settled.Stop()
	defer a.expired.Stop()
	defer a.look.Stop()
	defer a.gone.Stop()
	for p.next(ctx, a) {
		reset(a.expired, p.expiry.next(clock.Now()))
		reset(a.look, p.look())
		reset(a.gone, p.forgotten())
		p.watchdog.rest()
	}
}

// next waits for something and deals with it. It is false when ctx has ended.
func (p *pipeline) next(ctx context.Context, a alarms) bool {
	var peers, deployed <-chan struct{}
	if p.replicas != nil {
		peers = p.replicas.Changed()
	}
	if p.deployer != nil {
		deployed = p.deployer.Changed()
	}
	select {
	case <-ctx.Done():
		return false
	case p.last = <-p.source.Deliveries():
		p.translate(ctx)
		return true
	case <-a.expired.C():
		p.options.Log.Info("a certificate has become valid or has expired, translating again")
		p.translate(ctx)
		return true
	case <-a.look.C():
		return true
	case <-a.settled.C():
	case <-a.gone.C():
	case <-p.led:
	case <-peers:
	case <-deployed:
	case <-p.proxies.Changed():
	}
	p.report()
	return true
}

// look asks for a new snapshot when held Gateways may pass. It returns when to
// look again.
func (p *pipeline) look() time.Duration {
	if len(p.held) == 0 {
		return never
	}
	if p.barrier.due(p.held, p.edges) {
		p.source.Refresh()
	}
	return lookAgain
}

// translate makes of the last delivery what the proxies run and what the
// statuses say.
func (p *pipeline) translate(ctx context.Context) {
	p.watchdog.work(p.options.Clock.Now())
	began := p.options.Clock.Now()
	result, err := safeTranslate(p.last.Snapshot, p.options.Translation, began, &p.memo)
	p.metrics.Translated(p.options.Clock.Since(began), err)
	if err != nil {
		p.options.Log.Error(err, "defect in the translation, proxies keep what they have")
		return
	}
	p.result = result
	p.uids = uids(p.last.Snapshot)
	p.revision++
	p.expiry.read(result)
	p.remove()
	p.publish(ctx)
	if p.deployer != nil {
		p.deployer.Set(deploy.Specs(p.last.Snapshot, result))
	}
	if !p.ready.Swap(true) {
		close(p.translated)
	}
	p.report()
}

// safeTranslate turns a panic into an error: see the package comment.
func safeTranslate(s *snapshot.Snapshot, o TranslationOptions, now time.Time, memo *translate.Memo) (result *ir.Result, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("translation panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return translate.Translate(s, translate.Options{
		ControllerName: o.ControllerName, Now: now,
		SystemCAFile: o.SystemCAFile, AllowLoopback: o.AllowLoopbackBackends,
		Deploy: o.Deploy, FileFolders: o.FileFolders, Memo: memo,
	}), nil
}

// publish gives the proxies what the barrier lets pass: first the Gateways
// that open no edge, then, after asking, the others.
func (p *pipeline) publish(ctx context.Context) {
	p.edges = make(map[string]ir.PlaintextEdge, len(p.result.PlaintextBackends))
	for _, e := range p.result.PlaintextBackends {
		p.edges[e.Cluster] = e
	}
	if !p.pass() {
		return
	}
	if err := p.barrier.ask(ctx, p.held, p.edges); err != nil && ctx.Err() == nil {
		p.options.Log.Error(err, "a Gateway is held until it is certain that no TLS policy is missed")
	}
	p.pass()
}

// pass publishes every Gateway that the barrier does not hold. It tells
// whether it holds any.
func (p *pipeline) pass() bool {
	p.held = map[ir.Name][]string{}
	for _, g := range p.result.Gateways {
		if waiting := p.barrier.waiting(g, p.edges, p.last.Seen); len(waiting) > 0 {
			p.held[g.Name] = waiting
			if _, known := p.heldSince[g.Name]; !known {
				p.heldSince[g.Name] = p.options.Clock.Now()
			}
			continue
		}
		delete(p.heldSince, g.Name)
		p.give(g)
		p.barrier.published(g)
	}
	return len(p.held) > 0
}

// give builds and publishes one Gateway, unless the proxies have it.
func (p *pipeline) give(g *ir.Gateway) {
	before, uid := p.gateways[g.Name], p.uids[g.Name]
	if before != nil && reflect.DeepEqual(before.gateway, g) {
		before.uid = uid
		return
	}
	resources, err := envoy.Build(g, envoy.Options{ListenAddress: p.options.Translation.ListenAddress})
	now := &published{gateway: g, uid: uid, revision: p.revision, setsRevision: p.revision, problems: envoy.Problems(err)}
	if before != nil && before.uid == uid && before.gateway.Generation == g.Generation {
		now.revision = before.revision
		if before.gateway.ListenerSets == g.ListenerSets {
			now.setsRevision = before.setsRevision
		}
	}
	p.gateways[g.Name] = now
	for _, problem := range now.problems {
		p.options.Log.Info("left out what Envoy would reject", "gateway", g.Name.String(),
			"kind", problem.Kind, "resource", problem.Name, "reason", problem.Err.Error())
	}
	p.proxies.Publish(g.Name, p.revision, resources)
}

// remove forgets the Gateways that are gone.
func (p *pipeline) remove() {
	current := make(map[ir.Name]bool, len(p.result.Gateways))
	for _, g := range p.result.Gateways {
		current[g.Name] = true
	}
	for name := range p.heldSince {
		if !current[name] {
			delete(p.heldSince, name)
			p.barrier.forget(name)
		}
	}
	for name := range p.together {
		if !current[name] {
			delete(p.together, name)
		}
	}
	for name := range p.gateways {
		if !current[name] {
			delete(p.gateways, name)
			p.barrier.forget(name)
			p.proxies.Remove(name)
			p.options.Log.Info("Gateway is gone, its proxies get nothing any more", "gateway", name.String())
		}
	}
}

// uids are those of the Gateways of a snapshot.
func uids(s *snapshot.Snapshot) map[ir.Name]string {
	found := make(map[ir.Name]string, len(s.Gateways))
	for _, g := range s.Gateways {
		found[ir.Name{Namespace: g.Namespace, Name: g.Name}] = string(g.UID)
	}
	return found
}

// report tells the other replicas and the status writer what is known.
func (p *pipeline) report() {
	if p.result == nil {
		return
	}
	answers := p.answers()
	live := make(map[ir.Name]status.Live, len(p.result.Gateways))
	for _, g := range p.result.Gateways {
		live[g.Name] = p.live(g, answers[g.Name])
	}
	p.seen.Store(&seen{live: live, held: len(p.held)})
	if writer := p.status.Load(); writer != nil {
		writer.Set(status.Complete(p.result, live, p.options.GatewayAddress), p.last.Snapshot)
	}
}

// forgotten is the time until proxies that went are taken for gone.
func (p *pipeline) forgotten() time.Duration {
	now, next := p.options.Clock.Now(), never
	for _, known := range p.together {
		if left := known.returning(now, p.grace); left > 0 {
			next = min(next, left)
		}
	}
	return next
}
