package source

import "context"

// settle waits until changes have paused for Quiet, or Cap has passed since
// the first of them. It is false when ctx ended before.
func settle(ctx context.Context, o Options, changes <-chan struct{}) bool {
	quiet, limit := o.Clock.NewTimer(o.Quiet), o.Clock.NewTimer(o.Cap)
	defer quiet.Stop()
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C():
			return true
		case <-limit.C():
			return true
		case <-changes:
			if !quiet.Stop() {
				return true
			}
			quiet.Reset(o.Quiet)
		}
	}
}
