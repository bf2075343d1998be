package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// healthTimeout bounds a probe's request and the shutdown of the server.
	healthTimeout = 5 * time.Second
	// stuckAfter is how long one change may take before the process is taken
	// for stuck: a thousand times what a big one takes.
	stuckAfter = time.Minute
)

// watchdog notices a pipeline that does not come back from its work. A watch
// or a write that hangs is not its business: both have limits of their own.
type watchdog struct{ since atomic.Pointer[time.Time] }

// work says that the pipeline begins with something.
func (w *watchdog) work(now time.Time) { w.since.Store(&now) }

// rest says that it waits for the next.
func (w *watchdog) rest() { w.since.Store(nil) }

// stuck says for how long the pipeline has not come back, if that is too long.
func (w *watchdog) stuck(now time.Time) error {
	if since := w.since.Load(); since != nil && now.Sub(*since) > stuckAfter {
		return fmt.Errorf("the translation has been at work for %s", now.Sub(*since).Round(time.Second))
	}
	return nil
}

// health answers for the process, in plain HTTP.
type health struct {
	// alive answers /healthz, and ready /readyz: 200 while they give nil, else
	// 503 and the reason.
	alive, ready func() error
	// metrics answers /metrics.
	metrics http.Handler
}

// serve answers until ctx ends.
func (h health) serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(h.alive))
	mux.HandleFunc("GET /readyz", answer(h.ready))
	mux.Handle("GET /metrics", h.metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: healthTimeout, WriteTimeout: healthTimeout}
	ended := context.AfterFunc(ctx, func() {
		// The probes that are being answered may finish.
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
		defer cancel()
		_ = server.Shutdown(shutdown)
	})
	defer ended()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}

func answer(fine func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := fine(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}

// ignoreClosed drops the error of closing twice.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
