package envoy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// retryCase is a route to a backend that fails a number of times.
type retryCase struct {
	path             string
	timeout, attempt time.Duration
	retry            *ir.Retry
	// fail is how the first attempts end, and failures how many do.
	fail     func(w http.ResponseWriter, r *http.Request)
	failures int
	// status and attempts are what must come of it.
	status, attempts int
}

func retryCases() []retryCase {
	const forEver = 1000
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	breakOff := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	backoff := 20 * time.Millisecond
	codes := func(attempts uint32) *ir.Retry {
		return &ir.Retry{Codes: []uint32{500, 503}, Attempts: attempts, Backoff: &backoff}
	}
	none := &ir.Retry{Attempts: 2}
	short, long := 250*time.Millisecond, 15*time.Second
	return []retryCase{
		{path: "/recovers", retry: codes(3), fail: status(503), failures: 2, status: 200, attempts: 3},
		{path: "/other-code", retry: codes(3), fail: status(500), failures: 1, status: 200, attempts: 2},
		{path: "/exhausted", retry: codes(2), fail: status(503), failures: forEver, status: 503, attempts: 3},
		{path: "/not-listed", retry: codes(3), fail: status(502), failures: forEver, status: 502, attempts: 1},
		{path: "/no-retry", fail: status(503), failures: forEver, status: 503, attempts: 1},
		{path: "/no-codes", retry: none, fail: status(503), failures: forEver, status: 503, attempts: 1},
		{path: "/broken-off", retry: none, fail: breakOff, failures: 2, status: 200, attempts: 3},
		{path: "/broken-off-no-retry", fail: breakOff, failures: forEver, status: 503, attempts: 1},
		{path: "/slow", retry: none, attempt: short, fail: hang, failures: 1, status: 200, attempts: 2},
		{path: "/slow-exhausted", retry: none, attempt: short, fail: hang, failures: forEver, status: 504, attempts: 3},
		{path: "/slow-in-time", retry: none, timeout: long, attempt: short, fail: hang, failures: 1, status: 200, attempts: 2},
		// The whole request ends before its second attempt does.
		{path: "/slow-in-all", retry: none, timeout: 2 * short, attempt: short + short/2, fail: hang, failures: forEver, status: 504, attempts: 2},
		{path: "/slow-no-retry", timeout: long, attempt: short, fail: hang, failures: forEver, status: 504, attempts: 1},
	}
}

// TestRetries counts the attempts that get to the backend.
func TestRetries(t *testing.T) {
	t.Parallel()
	cases := map[string]retryCase{}
	backend := record(t, "backend", func(w http.ResponseWriter, r *http.Request, number int) {
		if test := cases[r.URL.Path]; number <= test.failures {
			test.fail(w, r)
		}
	})
	var routes []*ir.Route
	for _, test := range retryCases() {
		route := sending(test.path, backend.cluster)
		route.Forward.Retry = test.retry
		if test.timeout > 0 {
			route.Forward.Timeout = &test.timeout
		}
		if test.attempt > 0 {
			route.Forward.PerTryTimeout = &test.attempt
		}
		routes = append(routes, route)
		cases[test.path] = test
	}
	s := serve(t, []*ir.Cluster{backend.cluster}, nil, routes...)
	for path, test := range cases {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			// More than a connection buffers, less than is kept for a retry.
			got := s.ask(t, http.MethodPost, path, strings.Repeat("content", 100_000))
			attempts := backend.requests(path)
			if got.status != test.status || len(attempts) != test.attempts {
				t.Errorf("status %d after %d attempts, want %d after %d", got.status, len(attempts), test.status, test.attempts)
			}
			for _, attempt := range attempts {
				if attempt != attempts[0] {
					t.Errorf("attempts differ: %.80q (%d bytes) and %.80q (%d bytes)", attempts[0], len(attempts[0]), attempt, len(attempt))
				}
			}
		})
	}
}

// TestRetriesGoElsewhere has one of two endpoints refuse connections: with a
// retry nobody notices.
func TestRetriesGoElsewhere(t *testing.T) {
	t.Parallel()
	backend := record(t, "backend", nil)
	half := staticCluster("half", backend.cluster.Endpoints[0].Port, envoytest.FreePort(t))
	patient, hasty := sending("/patient", half), sending("/hasty", half)
	patient.Forward.Retry = &ir.Retry{Attempts: 1}
	s := serve(t, []*ir.Cluster{half}, nil, patient, hasty)
	counts := map[string]int{}
	for range 20 {
		for _, path := range []string{"/patient", "/hasty"} {
			counts[fmt.Sprint(path, " ", s.ask(t, http.MethodGet, path, "").status)]++
		}
	}
	if counts["/patient 200"] != 20 || counts["/hasty 503"] == 0 {
		t.Errorf("answers: %v", counts)
	}
}

// TestManyRetries has more requests wait for a retry at once than Envoy allows
// by default.
func TestManyRetries(t *testing.T) {
	t.Parallel()
	backend := record(t, "backend", func(w http.ResponseWriter, _ *http.Request, number int) {
		if number == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	backoff := 500 * time.Millisecond
	route := sending("/", backend.cluster)
	route.Forward.Retry = &ir.Retry{Codes: []uint32{503}, Attempts: 1, Backoff: &backoff}
	s := serve(t, []*ir.Cluster{backend.cluster}, nil, route)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			if got := s.ask(t, http.MethodGet, fmt.Sprint("/", i), ""); got.status != http.StatusOK {
				t.Errorf("request %d: status %d", i, got.status)
			}
		})
	}
	group.Wait()
}

// TestClientsDoNotSteer: retries and time limits are the route's, whatever a
// client says in Envoy's own headers, and from wherever it comes.
func TestClientsDoNotSteer(t *testing.T) {
	t.Parallel()
	backend := record(t, "backend", func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path == "/slow" {
			<-time.After(100 * time.Millisecond)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s := serve(t, []*ir.Cluster{backend.cluster}, nil, sending("/", backend.cluster))
	steer := []string{
		"X-Envoy-Retry-On", "5xx", "X-Envoy-Max-Retries", "3", "X-Envoy-Upstream-Rq-Timeout-Ms", "10", "X-Envoy-Internal", "true",
	}
	for i, headers := range [][]string{steer, append(steer, "X-Forwarded-For", "10.0.0.1")} {
		s.ask(t, http.MethodGet, "/failing", "", headers...)
		if attempts := backend.requests("/failing"); len(attempts) != i+1 {
			t.Errorf("%d attempts", len(attempts)-i)
		}
		if got := s.ask(t, http.MethodGet, "/slow", "", headers...); got.status != http.StatusOK {
			t.Errorf("status %d", got.status)
		}
	}
}
