//go:build e2e

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

const (
	// soon is how long anything may take that no test measures.
	soon = 15 * time.Second
	// pollInterval is between two looks.
	pollInterval = 10 * time.Millisecond
	// trafficRate is what streams send, in requests per second.
	trafficRate = 200
)

// poll looks until done, which also says what it sees.
func poll(t *testing.T, within time.Duration, awaited string, look func() (done bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		done, seen := look()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s; last seen: %s", within, awaited, seen)
		case <-tick.C:
		}
	}
}

// hold looks again and again for a while, and fails when it does not hold.
func hold(t *testing.T, during time.Duration, look func() (holds bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if holds, seen := look(); !holds {
			t.Fatalf("did not hold for %s: %s", during, seen)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// answer is what the gateway said.
type answer struct {
	Status int
	// Backend is zero unless a backend answered 200.
	Backend backend.Answer
	Body    string
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.Status, a.Body) }

// get asks the gateway on a connection of its own.
func (s *suite) get(ctx context.Context, host, path string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.GatewayURL()+path, nil)
	if err != nil {
		return answer{}, err
	}
	request.Host = host
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return answer{}, err
	}
	got := answer{Status: response.StatusCode, Body: string(body)}
	if response.Header.Get("Content-Type") == "application/json" {
		_ = json.Unmarshal(body, &got.Backend)
	}
	return got, nil
}

// await asks the gateway until the status is as wanted.
func (s *suite) await(t *testing.T, host string, status int) answer {
	t.Helper()
	return s.awaitPath(t, host, "/", status)
}

func (s *suite) awaitPath(t *testing.T, host, path string, status int) answer {
	t.Helper()
	var last answer
	poll(t, soon, fmt.Sprintf("%d for %s%s", status, host, path), func() (bool, string) {
		got, err := s.get(t.Context(), host, path)
		if err != nil {
			return false, err.Error()
		}
		last = got
		return got.Status == status, got.String()
	})
	return last
}

// stream sends steady traffic until it is stopped, at the latest with the
// test.
func (s *suite) stream(t *testing.T, host string) *traffic.Stream {
	t.Helper()
	stream := traffic.Start(t.Context(), traffic.Request{URL: s.GatewayURL(), Host: host, Rate: trafficRate})
	t.Cleanup(func() { stream.Stop() })
	return stream
}

// flowing waits until n requests have begun after a moment and been answered.
func flowing(t *testing.T, stream *traffic.Stream, since time.Time, n int) {
	t.Helper()
	poll(t, soon, fmt.Sprintf("%d answers", n), func() (bool, string) {
		answered := stream.Samples().After(since)
		return len(answered) >= n, answered.Summary(since)
	})
}
