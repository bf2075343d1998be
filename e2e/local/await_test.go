//go:build e2e

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

const (
	// soon is how long anything may take that no test measures.
	soon = 15 * time.Second
	// trafficRate is what streams send, in requests per second.
	trafficRate = 200
)

// answer is what the gateway said.
type answer struct {
	traffic.Answer
	// Backend is zero unless a backend answered 200.
	Backend backend.Answer
}

// get asks the gateway on a connection of its own.
func (s *suite) get(ctx context.Context, host, path string) (answer, error) {
	got, err := traffic.Get(ctx, s.GatewayURL()+path, host)
	if err != nil {
		return answer{}, err
	}
	answered := answer{Answer: got}
	if got.ContentType == "application/json" {
		_ = json.Unmarshal([]byte(got.Body), &answered.Backend)
	}
	return answered, nil
}

// await asks the gateway until the status is as wanted.
func (s *suite) await(t *testing.T, host string, status int) answer {
	t.Helper()
	return s.awaitPath(t, host, "/", status)
}

func (s *suite) awaitPath(t *testing.T, host, path string, status int) answer {
	t.Helper()
	var last answer
	poll.Until(t, soon, fmt.Sprintf("%d for %s%s", status, host, path), func() (bool, string) {
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
	poll.Until(t, soon, fmt.Sprintf("%d answers", n), func() (bool, string) {
		answered := stream.Samples().After(since)
		return len(answered) >= n, answered.Summary(since)
	})
}
