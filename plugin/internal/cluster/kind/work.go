package kind

import (
	"context"
	"sync"
)

// work is what happens beside the steps. Each step waits for its part of it,
// and shows how that ended.
type work struct {
	cancel context.CancelFunc
	parts  sync.WaitGroup
}

// newWork gives the context of its parts too.
func newWork(ctx context.Context) (context.Context, *work) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &work{cancel: cancel}
}

// end stops what is still running, and waits for it.
func (w *work) end() {
	w.cancel()
	w.parts.Wait()
}

// part is one piece of work. All but done are for those who have waited.
type part struct {
	done chan struct{}
	err  error
	// changed is true when something had to be done; title, unless empty, says
	// more of it.
	changed bool
	title   string
}

// begin starts a piece of work once those before it are done well.
func (w *work) begin(ctx context.Context, do func(context.Context, *part) error, before ...*part) *part {
	p := &part{done: make(chan struct{})}
	w.parts.Go(func() {
		defer close(p.done)
		for _, b := range before {
			if p.err = b.wait(ctx); p.err != nil {
				return
			}
		}
		p.err = do(ctx, p)
	})
	return p
}

// wait gives the error of the work, once it has ended.
func (p *part) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
