package traffic_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
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

func TestConnectionsAreKeptOrNot(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]bool{"kept": false, "new": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("hello"))
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			stream := traffic.Start(t.Context(), traffic.Request{URL: server.URL, Rate: 100, NewConnections: fresh})
			poll.Until(t, 10*time.Second, "20 answers", func() (bool, string) {
				return len(stream.Samples()) >= 20, ""
			})
			samples := stream.Stop()
			if each := opened.Load() >= int64(len(samples)); each != fresh {
				t.Errorf("%d connections for %d requests", opened.Load(), len(samples))
			}
			got, err := traffic.Get(t.Context(), server.URL, "a.example")
			want := traffic.Answer{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: "hello"}
			if err != nil || got != want {
				t.Errorf("Get() = %v, %v; want %v", got, err, want)
			}
		})
	}
}
