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
	Require(ctx context.Context, namespaces []string) (source.Versions, error)
	Now() source.Versions
}

// barrier keeps a Gateway from opening an edge, that is a way to a backend
// without TLS, before a snapshot has seen every policy that was written when
// the edge was first noticed. An edge that the Gateway already has is not
// asked about: there, the policy's own event ends it.
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
	// required is the answer, nil when there was none.
	required source.Versions
}

func newBarrier(a authority, c clock.PassiveClock) *barrier {
	return &barrier{authority: a, clock: c, gateways: map[ir.Name]*edges{}}
}

// waiting are the edges of g that may not be opened by a snapshot that has
// seen no more than seen, sorted. What was asked about other edges is
// forgotten: the answer would be too old for an edge that comes back.
func (b *barrier) waiting(g *ir.Gateway, seen source.Versions) []string {
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
		q, found := known.asked[c.StatName]
		if found {
			asked[c.StatName] = q
		}
		if q.required == nil || !seen.Covers(q.required) {
			waiting = append(waiting, c.StatName)
		}
	}
	known.asked = asked
	slices.Sort(waiting)
	return slices.Compact(waiting)
}

// ask puts the question for those of the waiting edges of all Gateways for
// which there is no answer yet. namespaces has the namespaces of the clusters.
func (b *barrier) ask(ctx context.Context, waiting map[ir.Name][]string, namespaces map[string]string) error {
	var where []string
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			if b.gateways[gateway].asked[cluster].required == nil {
				where = append(where, namespaces[cluster])
			}
		}
	}
	if len(where) == 0 {
		return nil
	}
	slices.Sort(where)
	where = slices.Compact(where)
	ctx, cancel := context.WithTimeout(ctx, askTimeout<<min(b.unanswered, maxDoublings))
	defer cancel()
	q := question{at: b.clock.Now()}
	var err error
	if q.required, err = b.authority.Require(ctx, where); err != nil {
		err = fmt.Errorf("ask the API server what is in namespaces %q: %w", where, err)
		b.unanswered++
	} else {
		b.unanswered = 0
	}
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			if asked := b.gateways[gateway].asked; asked[cluster].required == nil {
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

// due tells whether another look at the waiting edges may let them pass: the
// caches have reached what was required, or it is time to ask again.
func (b *barrier) due(waiting map[ir.Name][]string) bool {
	now, caches := b.clock.Now(), b.authority.Now()
	late, reached := false, true
	for gateway, clusters := range waiting {
		for _, cluster := range clusters {
			asked := b.gateways[gateway].asked
			q := asked[cluster]
			if now.Sub(q.at) >= askAgain {
				delete(asked, cluster)
				late = true
			}
			reached = reached && q.required != nil && caches.Covers(q.required)
		}
	}
	return late || reached
}
