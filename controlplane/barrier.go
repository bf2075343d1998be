package controlplane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
)

const (
	// askTimeout bounds one question to the API server, which other changes wait
	// behind. It doubles with each that is not answered, as often as
	// maxDoublings: a large cluster may need longer.
	askTimeout   = 2 * time.Second
	maxDoublings = 3
	// askAgain is when a question is asked anew that was not answered, or
	// whose answer the caches do not reach.
	askAgain = time.Second
	// lookAgain is how often the caches are compared with an answer.
	lookAgain = 5 * time.Millisecond
)

// authority is what the barrier needs of a source.Source.
type authority interface {
	Ask(ctx context.Context, q source.Question) (*source.Answer, error)
	Now() source.Versions
}

// barrier keeps a Gateway from opening an edge, that is a way to a backend
// without TLS, before a snapshot has seen every policy that was written when
// the edge was first noticed, and nothing is left in it of what led over the
// edge and was deleted until then: who deletes a route and then its policy asks
// for no plaintext. An edge that the Gateway already has is not asked about:
// there, the policy's own event ends it.
type barrier struct {
	authority authority
	clock     clock.PassiveClock
	gateways  map[ir.Name]*edges
	// unanswered counts the last questions that were not answered.
	unanswered int
}

// edges are those of one Gateway, by ir.Cluster.StatName.
type edges struct {
	// open have been published.
	open map[string]bool
	// asked wait for the caches to reach an answer.
	asked map[string]question
}

// question is one that was put to the API server.
type question struct {
	at time.Time
	// answer is nil when there was none.
	answer *source.Answer
}

// isAbout tells whether the answer, if there is one, is about all that leads
// over the edge. It is not about what was made since.
func (q question) isAbout(edge ir.PlaintextEdge) bool {
	return q.answer == nil || !slices.ContainsFunc(edge.Ways, func(way ir.Ref) bool {
		_, asked := q.answer.Ways[way]
		return !asked
	})
}

// passes tells whether a snapshot that has the edge, and has seen no more than
// seen, may open it.
func (q question) passes(edge ir.PlaintextEdge, seen source.Versions) bool {
	return q.answer != nil && seen.Covers(q.answer.Required) &&
		!slices.ContainsFunc(edge.Ways, func(way ir.Ref) bool { return !q.answer.Ways[way] })
}

func newBarrier(a authority, c clock.PassiveClock) *barrier {
	return &barrier{authority: a, clock: c, gateways: map[ir.Name]*edges{}}
}

// waiting are the edges of g that may not be opened by a snapshot that has
// seen no more than seen, sorted; all has the edges of the translation. What
// was asked about other edges is forgotten: the answer would be too old for an
// edge that comes back.
func (b *barrier) waiting(g *ir.Gateway, all map[string]ir.PlaintextEdge, seen source.Versions) []string {
	known := b.gateways[g.Name]
	if known == nil {
		known = &edges{}
		b.gateways[g.Name] = known
	}
	var waiting []string
	asked := map[string]question{}
	for _, c := range g.Clusters {
		if !c.Plaintext() || known.open[c.StatName] {
			continue
		}
		edge := all[c.StatName]
		q, found := known.asked[c.StatName]
		if found && q.isAbout(edge) {
			asked[c.StatName] = q
		}
		if !q.passes(edge, seen) {
			waiting = append(waiting, c.StatName)
		}
	}
	known.asked = asked
	slices.Sort(waiting)
	return slices.Compact(waiting)
}

// ask puts the question for those of the waiting edges of all Gateways for
// which there is no answer yet.
func (b *barrier) ask(ctx context.Context, waiting map[ir.Name][]string, all map[string]ir.PlaintextEdge) error {
	var about source.Question
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			if b.gateways[gateway].asked[cluster].answer == nil {
				about.Namespaces = append(about.Namespaces, all[cluster].Namespace)
				about.Ways = append(about.Ways, all[cluster].Ways...)
			}
		}
	}
	if len(about.Namespaces) == 0 {
		return nil
	}
	slices.Sort(about.Namespaces)
	about.Namespaces = slices.Compact(about.Namespaces)
	ctx, cancel := context.WithTimeout(ctx, askTimeout<<min(b.unanswered, maxDoublings))
	defer cancel()
	q := question{at: b.clock.Now()}
	var err error
	if q.answer, err = b.authority.Ask(ctx, about); err != nil {
		err = fmt.Errorf("ask the API server what is in namespaces %q: %w", about.Namespaces, err)
		b.unanswered++
	} else {
		b.unanswered = 0
	}
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			if asked := b.gateways[gateway].asked; asked[cluster].answer == nil {
				asked[cluster] = q
			}
		}
	}
	return err
}

// published records that the proxies get g.
func (b *barrier) published(g *ir.Gateway) {
	open := map[string]bool{}
	for _, c := range g.Clusters {
		if c.Plaintext() {
			open[c.StatName] = true
		}
	}
	b.gateways[g.Name] = &edges{open: open}
}

// forget drops what is known of a Gateway.
func (b *barrier) forget(gateway ir.Name) { delete(b.gateways, gateway) }

// due tells whether another look at the waiting edges may let one pass: the
// caches have reached what was required, or it is time to ask again.
func (b *barrier) due(waiting map[ir.Name][]string, all map[string]ir.PlaintextEdge) bool {
	now, caches := b.clock.Now(), b.authority.Now()
	due := false
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			asked := b.gateways[gateway].asked
			q := asked[cluster]
			if now.Sub(q.at) >= askAgain {
				delete(asked, cluster)
				due = true
			}
			due = due || q.passes(all[cluster], caches)
		}
	}
	return due
}
