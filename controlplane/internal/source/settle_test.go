package source

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		// pauses between further changes.
		pauses []time.Duration
		want   time.Duration
	}{
		{"one change", nil, 5 * ms},
		{"two changes", []time.Duration{3 * ms}, 8 * ms},
		{"changes that do not pause", []time.Duration{4 * ms, 4 * ms, 4 * ms, 4 * ms, 4 * ms, 4 * ms}, 20 * ms},
		{"a change after the end", []time.Duration{7 * ms}, 5 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				changes := make(chan struct{}, len(test.pauses))
				var changing sync.WaitGroup
				defer changing.Wait()
				changing.Go(func() {
					for _, pause := range test.pauses {
						<-time.After(pause)
						changes <- struct{}{}
					}
				})
				began := time.Now()
				if !settle(t.Context(), settleOptions(), changes) {
					t.Error("settle was not given the time")
				}
				if got := time.Since(began); got != test.want {
					t.Errorf("settled after %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestSettleEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if settle(ctx, Options{Clock: clock.RealClock{}, Quiet: time.Hour, Cap: time.Hour}, nil) {
		t.Error("settled after its context had ended")
	}
}

func settleOptions() Options {
	return Options{Clock: clock.RealClock{}, Quiet: 5 * time.Millisecond, Cap: 20 * time.Millisecond}
}
