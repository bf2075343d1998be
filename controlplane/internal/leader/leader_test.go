package leader_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/leader"
)

const (
	patient = 30 * time.Second

	// So near to each other that only the fence ends a term in time.
	lease, renew, retry = 4 * time.Second, 3500 * time.Millisecond, 200 * time.Millisecond
	// afterwards is how long a leader here takes to stop.
	afterwards = 100 * time.Millisecond
)

// candidate contends for the Lease that all candidates of a test share.
type candidate struct {
	*leader.Elector
	hung atomic.Bool
	// terms counts those that it has begun.
	terms atomic.Int32
	stop  func()
}

// term says how many lead at this moment.
type term struct{ leaders atomic.Int32 }

func (c *candidate) contend(t *testing.T, config *rest.Config, lock, name string, all *term) {
	t.Helper()
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return wire{next, &c.hung} })
	var err error
	c.Elector, err = leader.New(leader.Options{
		Config: config, Namespace: "default", Name: lock, Identity: name, Lease: lease, Renew: renew, Retry: retry, Log: testr.New(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, func(ctx context.Context) {
			if all.leaders.Add(1) > 1 {
				t.Errorf("%s leads beside another", name)
			}
			c.terms.Add(1)
			<-ctx.Done()
			<-time.After(afterwards)
			all.leaders.Add(-1)
		})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	t.Cleanup(c.stop)
}

// wire is a connection on which requests can hang for as long as their context
// allows: the worst that an API server can do.
type wire struct {
	next http.RoundTripper
	hung *atomic.Bool
}

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	if w.hung.Load() {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	return w.next.RoundTrip(request)
}

func (c *candidate) leads(t *testing.T, terms int32) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if c.terms.Load() != terms || !c.Leading() {
			return errors.New("does not lead")
		}
		return nil
	})
}

func TestElection(t *testing.T) {
	config := apiservertest.Start(t, &envtest.Environment{})
	t.Run("a leader that ends hands over", func(t *testing.T) {
		var a, b candidate
		all := &term{}
		a.contend(t, config, "handover", "a", all)
		a.leads(t, 1)
		b.contend(t, config, "handover", "b", all)
		began := time.Now()
		a.stop()
		b.leads(t, 1)
		if took := time.Since(began); took >= lease {
			t.Errorf("it took %s, as if the Lease had not been released", took)
		}
	})
	t.Run("a leader that is cut off stops before another begins, and contends again", func(t *testing.T) {
		var a, b candidate
		all := &term{}
		a.contend(t, config, "cut", "a", all)
		a.leads(t, 1)
		b.contend(t, config, "cut", "b", all)
		a.hung.Store(true)
		b.leads(t, 1)
		if a.Leading() {
			t.Error("a still leads")
		}
		a.hung.Store(false)
		b.stop()
		a.leads(t, 2)
	})
}
