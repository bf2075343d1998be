package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// TestCounters: those that tell about TLS and connections, not the traffic.
func TestCounters(t *testing.T) {
	t.Parallel()
	live := diagnose.Live{
		Before: probe.Stats{"ssl.handshake": 3, "upstream_cx_total": 3},
		After: probe.Stats{"ssl.handshake": 5, "upstream_cx_total": 5, "ssl.versions.TLSv1.3": 2, "upstream_rq_total": 4,
			"upstream_cx_rx_bytes_total": 4294, "upstream_cx_http1_total": 2, "upstream_cx_active": 0},
	}
	want := map[string]uint64{
		"ssl.handshake": 2, "upstream_cx_total": 2, "ssl.versions.TLSv1.3": 2, "upstream_rq_total": 4,
		"ssl.fail_verify_error": 0, "ssl.fail_verify_san": 0, "ssl.connection_error": 0,
	}
	if diff := cmp.Diff(want, counters(live)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
