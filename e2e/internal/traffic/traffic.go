// Package traffic sends a steady, bounded stream of HTTP requests and keeps
// what became of each. In goes a URL, a Host and a rate; out come samples in
// the order in which the requests began.
package traffic

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxRate keeps the load on a developer's machine bearable, in requests
	// per second.
	maxRate = 400
	// maxInFlight bounds what waits for slow answers; where it is reached,
	// the stream pauses.
	maxInFlight = 64
	// requestTimeout is beyond what any healthy gateway takes.
	requestTimeout = 20 * time.Second
)

// Request is what is sent again and again.
type Request struct {
	URL, Host string
	// Rate is per second, at most 400.
	Rate int
	// NewConnections opens a connection for each request; else they are kept
	// and used again.
	NewConnections bool
}

// Sample is one request.
type Sample struct {
	// Began and Ended are when it was sent and answered.
	Began, Ended time.Time
	// Status is zero where there was no answer: Err says why.
	Status int
	Err    error
}

// OK tells whether the answer was a 200.
func (s Sample) OK() bool { return s.Status == http.StatusOK }

func (s Sample) String() string {
	if s.Err != nil {
		return s.Err.Error()
	}
	return fmt.Sprint(s.Status)
}

// Samples are in the order in which the requests began.
type Samples []Sample

// Failed are those without a 200.
func (s Samples) Failed() Samples {
	return s.where(func(one Sample) bool { return !one.OK() })
}

// After are those that began at t or later.
func (s Samples) After(t time.Time) Samples {
	return s.where(func(one Sample) bool { return !one.Began.Before(t) })
}

// Before are those that were answered before t.
func (s Samples) Before(t time.Time) Samples {
	return s.where(func(one Sample) bool { return one.Ended.Before(t) })
}

// LongestPause is the longest time in which no request began: how long the
// machine was busy with something else.
func (s Samples) LongestPause() time.Duration {
	var longest time.Duration
	for i := 1; i < len(s); i++ {
		longest = max(longest, s[i].Began.Sub(s[i-1].Began))
	}
	return longest
}

func (s Samples) where(holds func(Sample) bool) Samples {
	var found Samples
	for _, one := range s {
		if holds(one) {
			found = append(found, one)
		}
	}
	return found
}

// Summary counts what the answers were, as "200 x 412, 503 x 2 (first after
// 1.2s)", the time counted from since.
func (s Samples) Summary(since time.Time) string {
	type kind struct {
		count int
		first time.Time
	}
	kinds := map[string]kind{}
	for _, one := range s {
		k := kinds[one.String()]
		if k.count == 0 {
			k.first = one.Began
		}
		k.count++
		kinds[one.String()] = k
	}
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, 0, len(names))
	for _, name := range names {
		k := kinds[name]
		parts = append(parts, fmt.Sprintf("%s x %d (first at %s)", name, k.count, k.first.Sub(since).Round(time.Millisecond)))
	}
	if len(parts) == 0 {
		return "nothing was sent"
	}
	return strings.Join(parts, ", ")
}

// Stream is traffic under way.
type Stream struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	samples Samples
}

// Start begins to send until ctx ends or Stop is called.
func Start(ctx context.Context, r Request) *Stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{cancel: cancel, done: make(chan struct{})}
	go s.run(ctx, r)
	return s
}

// Stop ends the stream, waits for the answers that are under way, and returns
// all samples.
func (s *Stream) Stop() Samples {
	s.cancel()
	<-s.done
	return s.Samples()
}

// Samples are those answered so far.
func (s *Stream) Samples() Samples {
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := slices.Clone(s.samples)
	slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Began.UnixNano(), b.Began.UnixNano()) })
	return samples
}

func (s *Stream) run(ctx context.Context, r Request) {
	defer close(s.done)
	transport := &http.Transport{MaxIdleConnsPerHost: maxInFlight, DisableCompression: true, DisableKeepAlives: r.NewConnections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: requestTimeout}
	tick := time.NewTicker(time.Second / time.Duration(min(max(r.Rate, 1), maxRate)))
	defer tick.Stop()
	slots := make(chan struct{}, maxInFlight)
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		slots <- struct{}{}
		underWay.Go(func() {
			// What has begun is answered, also after Stop.
			sample := Send(context.WithoutCancel(ctx), client, r.URL, r.Host)
			s.mu.Lock()
			s.samples = append(s.samples, sample)
			s.mu.Unlock()
			<-slots
		})
	}
}

// Send sends one request and reads its whole answer.
func Send(ctx context.Context, client *http.Client, url, host string) Sample {
	sample := Sample{Began: time.Now()}
	sample.Status, sample.Err = send(ctx, client, url, host)
	sample.Ended = time.Now()
	return sample
}

func send(ctx context.Context, client *http.Client, url, host string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return response.StatusCode, nil
}
