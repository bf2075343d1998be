package xds_test

import (
	"net/http"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

func TestFirstConfiguration(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		w := newWorld(t)
		ca := envoytest.NewCA(t, "backend")
		backend := envoytest.StartBackend(t, "nginx", ca.Issue(t, []string{sni}, nil))
		port := envoytest.FreePort(t)
		gw := to(port, edsCluster(statName, backend.Port, verified()), trust(ca))
		revision := w.publish(gw.ir())
		proxy := w.envoy(sotw)
		newClient(port).expect(t, second, "/", http.StatusOK)
		if n := proxy.Stat(t, "cluster."+statName+".ssl.handshake"); n == 0 {
			t.Error("Envoy counts no handshake under the stat name")
		}
		if n := proxy.Stat(t, "cluster."+statName+".ssl.versions.TLSv1.3"); n == 0 {
			t.Error("Envoy counts no TLS 1.3 handshake")
		}
		w.waitFor(func(s xds.State) bool {
			return s.Connected == 1 && s.AckedRevision == revision && len(s.Rejections) == 0
		})
	})
}
