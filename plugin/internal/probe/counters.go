package probe

import (
	"context"
	"errors"
	"fmt"
)

// Counters follows the statistics of one cluster in all proxies of a Gateway,
// from a moment on. A proxy that restarts meanwhile counts from zero again,
// and one can go away: neither hides what the others have counted.
type Counters struct {
	statName string
	proxies  []*counted
}

type counted struct {
	admin         *Admin
	before, after Stats
	lost          error
}

// NewCounters reads the statistics for the first time. All proxies must answer.
func NewCounters(ctx context.Context, statName string, admins []*Admin) (*Counters, error) {
	if len(admins) == 0 {
		return nil, errors.New("no Envoy was found")
	}
	c := &Counters{statName: statName}
	for _, admin := range admins {
		stats, err := admin.Stats(ctx, statName)
		if err != nil {
			return nil, err
		}
		c.proxies = append(c.proxies, &counted{admin: admin, before: stats, after: stats})
	}
	return c, nil
}

// Read reads the statistics again. A proxy that does not answer any more keeps
// what it said last; the error is that none answers.
func (c *Counters) Read(ctx context.Context) error {
	var lost []error
	for _, p := range c.proxies {
		if p.lost == nil {
			p.read(ctx, c.statName)
		}
		if p.lost != nil {
			lost = append(lost, p.lost)
		}
	}
	if len(lost) == len(c.proxies) {
		return errors.Join(lost...)
	}
	return ctx.Err()
}

func (p *counted) read(ctx context.Context, statName string) {
	now, err := p.admin.Stats(ctx, statName)
	if err != nil {
		p.lost = err
		return
	}
	if restarted(p.after, now) {
		// What it had counted before is gone, and what it has is all new.
		p.before = Stats{}
	}
	p.after = now
}

// restarted: these never fall while an Envoy runs.
func restarted(before, now Stats) bool {
	for _, name := range []string{"ssl.handshake", "upstream_cx_total", "upstream_rq_total"} {
		if now[name] < before[name] {
			return true
		}
	}
	return false
}

// Before and After are the sums over all proxies, so that After less Before is
// what was counted since NewCounters.
func (c *Counters) Before() Stats { return c.sum(func(p *counted) Stats { return p.before }) }

// After is as Before, when Read was last called.
func (c *Counters) After() Stats { return c.sum(func(p *counted) Stats { return p.after }) }

func (c *Counters) sum(of func(*counted) Stats) Stats {
	sum := Stats{}
	for _, p := range c.proxies {
		sum.Add(of(p))
	}
	return sum
}

// Lost says which proxies do not answer any more, and why.
func (c *Counters) Lost() []string {
	var lost []string
	for _, p := range c.proxies {
		if p.lost != nil {
			lost = append(lost, fmt.Sprintf("%s: %v", p.admin.Name, p.lost))
		}
	}
	return lost
}
