package xds_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
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

// TestReadiness: a proxy is ready with its first configuration, not before.
func TestReadiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := bootstrap.Options{ReadyAddress: "127.0.0.1", ReadyPort: envoytest.FreePort(t)}
	w.startEnvoy(o, contract.NodeURI(gatewayName().Namespace, gatewayName().Name))
	envoytest.Eventually(t, patient, func() error {
		if !w.sent.refused.Load() {
			return errors.New("the proxy has not been turned away")
		}
		return nil
	})
	probe := newClient(o.ReadyPort)
	if err := probe.check("/ready", http.StatusOK); err == nil {
		t.Error("ready without a configuration")
	}
	w.publish(gateway{port: envoytest.FreePort(t)}.ir())
	probe.expect(t, patient, "/ready", http.StatusOK)
	if err := probe.check("/other", http.StatusNotFound); err != nil {
		t.Error(err)
	}
}
