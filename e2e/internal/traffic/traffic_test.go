package traffic_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

func TestEveryAnswerIsKept(t *testing.T) {
	t.Parallel()
	var served, failed atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "a.example" {
			t.Errorf("host is %q", r.Host)
		}
		if served.Add(1)%10 == 0 {
			failed.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	began := time.Now()
	stream := traffic.Start(t.Context(), traffic.Request{URL: server.URL, Host: "a.example", Rate: 400})
	for deadline := began.Add(10 * time.Second); len(stream.Samples()) < 50 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	samples := stream.Stop()
	if int64(len(samples)) != served.Load() || len(samples) < 50 {
		t.Errorf("%d samples of %d requests, want all, and at least 50", len(samples), served.Load())
	}
	if int64(len(samples.Failed())) != failed.Load() {
		t.Errorf("%d samples failed, want %d", len(samples.Failed()), failed.Load())
	}
	if perSecond := float64(len(samples)) / time.Since(began).Seconds(); perSecond > 450 {
		t.Errorf("%.0f requests a second are more than was asked for", perSecond)
	}
	if summary := samples.Summary(began); !strings.HasPrefix(summary, "200 x ") || !strings.Contains(summary, "503 x ") {
		t.Errorf("summary is %q", summary)
	}
	middle := samples[len(samples)/2].Began
	if before, after := samples.Before(middle), samples.After(middle); len(before) == 0 || len(after) != len(samples)-len(samples)/2 {
		t.Errorf("%d before and %d after the middle of %d", len(before), len(after), len(samples))
	}
}

func TestLongestPause(t *testing.T) {
	t.Parallel()
	began := time.Now()
	samples := traffic.Samples{{Began: began}, {Began: began.Add(5 * time.Millisecond)}, {Began: began.Add(45 * time.Millisecond)}}
	if got, want := samples.LongestPause(), 40*time.Millisecond; got != want {
		t.Errorf("LongestPause() = %s, want %s", got, want)
	}
	if got := (traffic.Samples{}).LongestPause(); got != 0 {
		t.Errorf("LongestPause() of nothing = %s", got)
	}
}

func TestNoAnswerIsASampleToo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	sample := traffic.Send(t.Context(), http.DefaultClient, server.URL, "a.example")
	if sample.OK() || sample.Status != 0 || sample.Err == nil {
		t.Errorf("got %v, want an error", sample)
	}
}
