// Package leader elects one replica of the controller, by a Lease, to do what
// only one may do. In go a connection, the Lease's name and the replica's; out
// comes a call with a context that ends when the replica leads no more.
//
// A replica that loses the Lease goes on living and contends again: proxies
// are connected to it.
package leader

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

const (
	defaultLease = 15 * time.Second
	defaultRenew = 10 * time.Second
	defaultRetry = 2 * time.Second
)

// Options configure an Elector.
type Options struct {
	// Config connects to the API server.
	Config *rest.Config
	// Namespace and Name are those of the Lease.
	Namespace, Name string
	// Identity is this replica's, unlike any other's.
	Identity string
	// Lease is how long the others wait for a leader that does not renew,
	// Renew how long the leader tries to before it gives up, and Retry how
	// often both look. Zero means 15 s, 10 s and 2 s.
	Lease, Renew, Retry time.Duration
	Log                 logr.Logger
}

// Elector contends for a Lease. Make one with New.
type Elector struct {
	options Options
	lock    *resourcelock.LeaseLock
	leading atomic.Bool
}

// New prepares to contend.
func New(o Options) (*Elector, error) {
	if o.Lease == 0 {
		o.Lease, o.Renew, o.Retry = defaultLease, defaultRenew, defaultRetry
	}
	config := rest.CopyConfig(o.Config)
	// One request that hangs must not cost the Lease, nor keep a replica from
	// contending.
	config.Timeout = o.Renew / 2
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the election of a leader: %w", err)
	}
	return &Elector{options: o, lock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
	}}, nil
}

// Leading tells whether lead is being called.
func (e *Elector) Leading() bool { return e.leading.Load() }

// Run contends until ctx ends. Whenever it wins it calls lead, whose context
// ends with the term; it contends again, or gives the Lease to another replica,
// only after lead has returned.
func (e *Elector) Run(ctx context.Context, lead func(context.Context)) error {
	for ctx.Err() == nil {
		if err := e.term(ctx, lead); err != nil {
			return fmt.Errorf("contend for Lease %s: %w", e.lock.Describe(), err)
		}
	}
	return nil
}

// term waits for one term and lives through it.
func (e *Elector) term(ctx context.Context, lead func(context.Context)) error {
	won := make(chan struct{})
	fence := newFence(e.lock, e.options)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: fence, Name: e.options.Name, ReleaseOnCancel: true,
		LeaseDuration: e.options.Lease, RenewDeadline: e.options.Renew, RetryPeriod: e.options.Retry,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(won) },
			OnStoppedLeading: func() { /* The end of Run says it. */ },
		},
	})
	if err != nil {
		return err
	}
	// The Lease is given up when this ends, which is not before lead has.
	holding, release := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), e.options.Log))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		elector.Run(holding)
	}()
	defer func() {
		release()
		<-ended
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	case <-won:
		e.lead(ctx, lead, ended, fence)
	}
	return nil
}

// lead calls lead until the term is over.
func (e *Elector) lead(ctx context.Context, lead func(context.Context), lost <-chan struct{}, fence *fence) {
	e.leading.Store(true)
	defer e.leading.Store(false)
	e.options.Log.Info("leading", "identity", e.options.Identity)
	term, end := context.WithCancel(ctx)
	defer end()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		lead(term)
	}()
	reason := "this replica ends"
	select {
	case <-ctx.Done():
	case <-lost:
		reason = "the Lease was lost"
	case <-fence.late():
		reason = "the Lease could not be renewed"
	case <-returned:
		reason = "there is nothing more to lead"
	}
	end()
	<-returned
	e.options.Log.Info("leading no more", "identity", e.options.Identity, "reason", reason)
}
