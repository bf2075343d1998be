package envoy

import (
	"fmt"
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	// retriedFailures are those of an attempt without an answer. A reset
	// includes connections that break and the time limit of an attempt.
	retriedFailures = "connect-failure,refused-stream,reset"
	// retriesAtOnce is how many requests to a cluster may be in, or wait for,
	// a retry. Envoy's 3 would give most of them up when a backend restarts
	// under load; its other limits of this kind are 1024 as well.
	retriesAtOnce = 1024
	// retriedBody is up to how many bytes of a request Envoy keeps to send it
	// again: a larger one is tried once. It is Envoy's default for all that a
	// connection buffers, of which our listeners allow less.
	retriedBody = 1 << 20
	// otherHostTries is how often Envoy draws again when it has drawn an
	// endpoint that was tried already.
	otherHostTries = 3
	// longestBackoff is more than any connection lives, and Envoy's own
	// arithmetic of it cannot overflow.
	longestBackoff = 24 * time.Hour
)

// retryPolicy is nil where nothing is tried again.
func retryPolicy(forward *ir.Forward) (*routev3.RetryPolicy, error) {
	retry := forward.Retry
	if retry == nil {
		return nil, nil //nolint:nilnil // No retries are a result, not an error.
	}
	previousHosts, err := packed(&previoushostsv3.PreviousHostsPredicate{})
	if err != nil {
		return nil, err
	}
	policy := &routev3.RetryPolicy{
		RetryOn:    retriedFailures,
		NumRetries: wrapperspb.UInt32(retry.Attempts),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: previousHosts},
		}},
		HostSelectionRetryMaxAttempts: otherHostTries,
	}
	for _, code := range retry.Codes {
		if code < 100 || code > 599 {
			return nil, fmt.Errorf("retry: %d is no HTTP status", code)
		}
	}
	if len(retry.Codes) > 0 {
		policy.RetryOn += ",retriable-status-codes"
		policy.RetriableStatusCodes = retry.Codes
	}
	if limit := forward.PerTryTimeout; limit != nil && *limit > 0 {
		policy.PerTryTimeout = durationpb.New(*limit)
	}
	if retry.Backoff != nil {
		policy.RetryBackOff = backoff(*retry.Backoff)
	}
	return policy, nil
}

// allowRetries sets the limit of retries where no policy does.
func allowRetries(cluster *clusterv3.Cluster) {
	if cluster.CircuitBreakers == nil {
		cluster.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{}}}
	}
	for _, limits := range cluster.CircuitBreakers.Thresholds {
		if limits.MaxRetries == nil {
			limits.MaxRetries = wrapperspb.UInt32(retriesAtOnce)
		}
	}
}

// backoff makes Envoy wait for the given time on average before the first
// retry: it draws from zero to the base interval, and to twice as much before
// each one that follows.
func backoff(average time.Duration) *routev3.RetryPolicy_RetryBackOff {
	base := 2 * min(max(average, time.Millisecond), longestBackoff)
	return &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(base)}
}

// attempts is how long all attempts take together at most, pauses aside. Zero
// is no limit.
func attempts(each time.Duration, retry *ir.Retry) time.Duration {
	count := int64(retry.Attempts) + 1
	if int64(each) > math.MaxInt64/count {
		return 0
	}
	return each * time.Duration(count)
}
