package leader

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fence ends a term before another replica can begin one. client-go tells of
// a Lease that cannot be renewed only after it has tried to release it, and
// while the API server does not answer that takes longer than the Lease runs.
type fence struct {
	*resourcelock.LeaseLock
	limit time.Duration

	mu    sync.Mutex
	timer *time.Timer
	fired chan struct{}
}

func newFence(lock *resourcelock.LeaseLock, o Options) *fence {
	return &fence{LeaseLock: lock, limit: (o.Renew + o.Lease) / 2, fired: make(chan struct{})}
}

// late is closed when no write of the Lease has succeeded for too long.
func (f *fence) late() <-chan struct{} { return f.fired }

// Create writes a new Lease.
func (f *fence) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	began := time.Now()
	return f.wrote(began, f.LeaseLock.Create(ctx, record))
}

// Update renews, takes over or releases the Lease.
func (f *fence) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	began := time.Now()
	return f.wrote(began, f.LeaseLock.Update(ctx, record))
}

// wrote counts from when a write began: others may have seen it at once.
func (f *fence) wrote(began time.Time, err error) error {
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.limit - time.Since(began)
	if f.timer == nil {
		f.timer = time.AfterFunc(left, func() { close(f.fired) })
	} else if f.timer.Stop() {
		// A timer that has fired has ended the term for good.
		f.timer.Reset(left)
	}
	return nil
}
