//go:build e2e

package local

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// xdsUpdates are Envoy's counters of resources that it took: clusters,
// endpoints, listeners, routes and secrets. An answer without resources, which
// a client that asks for all clusters or listeners gets too, is not among them.
const xdsUpdates = `^(cluster_manager\.(cds\.config_reload|cluster_(added|modified|removed|updated))` +
	`|listener_manager\.listener_(added|modified|removed|create_success)` +
	`|(http\..*\.rds|cluster\.(kube|backend)_|sds)\..*\.(update_success|update_rejected))$`

// xdsBytes counts what Envoy has read from the controller.
const xdsBytes = `^cluster\..*xds.*\.upstream_cx_rx_bytes_total$`

// maxNothing is more than the greeting of HTTP/2 and an empty answer for each
// type of resource take, in bytes.
const maxNothing = 1024

// While the controller is away, Envoy goes on; when it is back, it has
// nothing to send.
func TestControllerKilled(t *testing.T) {
	s := shared(t)
	a := s.app(t, s.namespace(t, "killed"), "app")
	a.start(t)
	s.settled(t)
	began := time.Now()
	stream := s.stream(t, a.host)
	flowing(t, stream, began, steady)
	before := s.updates(t)

	s.kill(t, "controller")
	s.awaitStat(t, "control_plane.connected_state", 0)
	read := s.bytesRead(t)
	flowing(t, stream, time.Now(), steady)
	if up, err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	} else if !strings.Contains(up.Stdout+up.Stderr, "controller") {
		t.Errorf("dev-up does not say that it started the controller again:\n%s", up)
	}
	s.awaitStat(t, "control_plane.connected_state", 1)

	// Its word on a new policy shows that it has seen and translated
	// everything; the policy itself moves nothing in Envoy.
	a.apply(t, "policy", "NAME", "no-such-service")
	s.awaitCondition(t, backendTLSPolicy, a.namespace, "no-such-service", "Accepted",
		metav1.ConditionFalse, string(gatewayv1.PolicyReasonTargetNotFound))
	poll.Hold(t, time.Second, func() (bool, string) {
		diff := cmp.Diff(before, s.updates(t))
		return diff == "", "resources that Envoy took (-before +after the restart):\n" + diff
	})
	// What it was told fits no resource: one cluster alone is larger.
	told := s.bytesRead(t) - read
	t.Logf("the restart sent %d bytes", told)
	if told > maxNothing {
		t.Errorf("Envoy was told %d bytes, want less than %d: nothing has changed", told, maxNothing)
	}
	samples := stream.Stop()
	t.Logf("%s", samples.Summary(began))
	if failed := samples.Failed(); len(failed) > 0 {
		t.Errorf("requests failed: %s", failed.Summary(began))
	}
}

// kill ends a part of the dev cluster without warning, and waits until it is
// gone.
func (s *suite) kill(t *testing.T, name string) {
	t.Helper()
	parts, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	part, ok := parts[name]
	if !ok {
		t.Fatalf("no part %q among %v", name, slices.Collect(maps.Keys(parts)))
	}
	process, err := os.FindProcess(part.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatalf("kill %s: %v", name, err)
	}
	poll.Until(t, soon, name+" is gone", func() (bool, string) {
		return !running(part.PID), "it runs"
	})
}

// settled waits until Envoy's configuration has not changed for a moment: the
// controller takes away what is unused a little later.
func (s *suite) settled(t *testing.T) {
	t.Helper()
	const quiet = 2 * time.Second
	last, since := s.updates(t), time.Now()
	poll.Until(t, 6*soon, "no more updates", func() (bool, string) {
		if now := s.updates(t); !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
		return time.Since(since) > quiet, fmt.Sprint(last)
	})
}

// updates counts what Envoy has taken from the controller. Its own certificate
// comes from files, and is read again when dev-up writes one beside them.
func (s *suite) updates(t *testing.T) map[string]uint64 {
	t.Helper()
	stats, err := s.Stats(t.Context(), xdsUpdates)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(stats, func(name string, _ uint64) bool { return strings.HasPrefix(name, "sds.tlsgw-xds-") })
	return stats
}

// bytesRead is how much Envoy has read from the controller.
func (s *suite) bytesRead(t *testing.T) uint64 {
	t.Helper()
	stats, err := s.Stats(t.Context(), xdsBytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(stats) != 1 {
		t.Fatalf("%s stands for %v, want one counter", xdsBytes, stats)
	}
	for _, value := range stats {
		return value
	}
	return 0
}

func (s *suite) awaitStat(t *testing.T, name string, want uint64) {
	t.Helper()
	poll.Until(t, 2*soon, fmt.Sprintf("%s is %d", name, want), func() (bool, string) {
		stats, err := s.Stats(t.Context(), "^"+strings.ReplaceAll(name, ".", `\.`)+"$")
		if err != nil {
			return false, err.Error()
		}
		value, ok := stats[name]
		return ok && value == want, fmt.Sprint(stats)
	})
}
