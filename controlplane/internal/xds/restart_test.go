package xds_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

func TestRestartSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	traffic := startTraffic(t, r.client, "/")
	r.stop()
	traffic.flow(t)
	envoytest.Eventually(t, patient, func() error {
		if n := r.proxy.Stat(t, "control_plane.connected_state"); n != 0 {
			return errors.New("the proxy is still connected")
		}
		return nil
	})
	r.start()
	before := r.sent.resources.Load()
	r.publishAndWait(r.gateway(verified()).ir())
	if n := r.sent.resources.Load() - before; n != 0 {
		t.Errorf("the restart sent %d resources", n)
	}
	traffic.mustSucceed(t)
	// It is alive: a change arrives.
	r.publishAndWait(r.gateway(nil).ir())
}

// TestRestartWithChanges publishes something else after the restart: all
// clusters are replaced while a proxy connects again.
func TestRestartWithChanges(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	traffic := startTraffic(t, r.client, "/")
	for i := range 6 {
		r.stop()
		r.start()
		cluster := edsClusterWithVersion(r.backend.Port, []string{"1.2", "1.3"}[i%2])
		r.publishAndWait(to(r.port, cluster, trust(r.ca)).ir())
		traffic.flow(t)
		if i%2 == 0 {
			// The clusters that the old controller knew of are removed too.
			r.expectClusters(t, cluster.Name)
		}
	}
	traffic.mustSucceed(t)
}

// TestUnpublishedGatewayKeepsItsProxy covers a controller whose caches have
// not synced: an answer, however empty, would wipe the proxy.
func TestUnpublishedGatewayKeepsItsProxy(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	attempts := func() uint64 { return r.proxy.Stat(t, "cluster.tlsgw-xds.upstream_rq_total") }
	r.server.Remove(gatewayName())
	if s := r.server.State(gatewayName()); s.Connected != 0 || s.AckedRevision != 0 {
		t.Errorf("a removed Gateway has state %+v", s)
	}
	before, sent := attempts(), r.sent.responses.Load()
	envoytest.Eventually(t, patient, func() error {
		if n := attempts(); n < before+3 {
			return fmt.Errorf("%d attempts to connect", n-before)
		}
		return nil
	})
	if n := r.sent.responses.Load() - sent; n != 0 {
		t.Errorf("%d responses were sent", n)
	}
	if err := r.client.check("/", http.StatusOK); err != nil {
		t.Error(err)
	}
	r.publish(r.gateway(verified()).ir())
	r.waitFor(func(s xds.State) bool { return s.Connected == 1 && s.AckedRevision == r.revision })
}
