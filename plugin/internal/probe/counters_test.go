package probe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// proxy is an admin interface whose counters a test sets: a real Envoy cannot
// be made to restart in between two certain reads.
type proxy struct {
	handshakes, active atomic.Uint64
	gone               atomic.Bool
}

func (p *proxy) admin(t *testing.T, name string) *probe.Admin {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if p.gone.Load() {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprintf(w, `{"stats":[{"name":"cluster.c.ssl.handshake","value":%d},{"name":"cluster.c.upstream_cx_active","value":%d}]}`,
			p.handshakes.Load(), p.active.Load())
	}))
	t.Cleanup(server.Close)
	admin, err := probe.NewAdmin(name, server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// TestCounters: what one proxy forgets hides nothing of what another counts,
// and is not taken for new.
func TestCounters(t *testing.T) {
	t.Parallel()
	a, b := &proxy{}, &proxy{}
	a.handshakes.Store(10)
	a.active.Store(5)
	b.handshakes.Store(100)
	counters, err := probe.NewCounters(t.Context(), "c", []*probe.Admin{a.admin(t, "a"), b.admin(t, "b")})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, before, after uint64) {
		t.Helper()
		if err := counters.Read(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := counters.Before()["ssl.handshake"]; got != before {
			t.Errorf("%s: before %d, want %d", when, got, before)
		}
		if got := counters.After()["ssl.handshake"]; got != after {
			t.Errorf("%s: after %d, want %d", when, got, after)
		}
	}
	expect("at once", 110, 110)
	a.handshakes.Store(11)
	expect("one more", 110, 111)
	a.active.Store(0)
	expect("a gauge falls", 110, 111)
	b.handshakes.Store(0)
	expect("a restart", 10, 11)
	b.handshakes.Store(2)
	expect("two after it", 10, 13)
	b.gone.Store(true)
	expect("one is gone", 10, 13)
	if lost := counters.Lost(); len(lost) != 1 || !strings.HasPrefix(lost[0], "b: ") {
		t.Errorf("lost: %v", lost)
	}
	a.handshakes.Store(12)
	expect("the other counts on", 10, 14)
	a.gone.Store(true)
	if err := counters.Read(t.Context()); err == nil {
		t.Error("all are gone: no error")
	}
	if _, err := probe.NewCounters(t.Context(), "c", nil); err == nil {
		t.Error("no proxy: no error")
	}
	if _, err := probe.NewCounters(t.Context(), "c", []*probe.Admin{a.admin(t, "a")}); err == nil {
		t.Error("a proxy that does not answer: no error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := counters.Read(ended); err == nil {
		t.Error("a context that has ended: no error")
	}
}
