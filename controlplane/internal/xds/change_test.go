package xds_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// running is a world with a backend and a proxy that sends traffic to it.
type running struct {
	*world
	ca      *envoytest.CA
	backend *envoytest.Backend
	port    uint16
	proxy   *envoytest.Envoy
	client  *client
}

func newRunning(t *testing.T, sotw bool, tls *ir.UpstreamTLS) *running {
	t.Helper()
	return runningIn(t, newWorld(t), sotw, tls)
}

func newRunningWith(t *testing.T, change func(*xds.Options)) *running {
	t.Helper()
	return runningIn(t, newWorldWith(t, change), false, verified())
}

func runningIn(t *testing.T, w *world, sotw bool, tls *ir.UpstreamTLS) *running {
	t.Helper()
	r := &running{world: w, ca: envoytest.NewCA(t, "backend"), port: envoytest.FreePort(t)}
	r.backend = envoytest.StartBackend(t, "nginx", r.ca.Issue(t, []string{sni}, nil))
	r.client = newClient(r.port)
	r.publish(r.gateway(tls).ir())
	r.proxy = r.envoy(sotw)
	r.client.expect(t, second, "/", http.StatusOK)
	r.waitFor(func(s xds.State) bool { return s.AckedRevision == r.revision })
	return r
}

// gateway sends everything to the backend.
func (r *running) gateway(tls *ir.UpstreamTLS) gateway {
	return to(r.port, edsCluster(statName, r.backend.Port, tls), r.secrets(tls)...)
}

func (r *running) secrets(tls *ir.UpstreamTLS) []*ir.Secret {
	if tls == nil || tls.TrustBundle == "" {
		return nil
	}
	return []*ir.Secret{trust(r.ca)}
}

func eachProtocol(t *testing.T, test func(t *testing.T, sotw bool)) {
	t.Helper()
	for name, sotw := range map[string]bool{"delta": false, "sotw": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, sotw)
		})
	}
}

func TestPlaintextToTLSUnderTraffic(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, nil)
		traffic := startTraffic(t, r.client, "/")
		traffic.flow(t)
		r.publishAndWait(r.gateway(verified()).ir())
		// What was under way when Envoy acknowledged may still arrive.
		traffic.flow(t)
		_, before := r.backend.Counts()
		traffic.flow(t)
		tls, after := r.backend.Counts()
		if before == 0 || tls == 0 {
			t.Fatalf("%d plaintext requests before the change, %d over TLS after it", before, tls)
		}
		if after != before {
			t.Errorf("%d plaintext requests after the change", after-before)
		}
		traffic.mustSucceed(t)
	})
}

func TestTLSSettingsChangeUnderTraffic(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	traffic := startTraffic(t, r.client, "/")
	for _, version := range []string{"1.2", "1.3", "1.2"} {
		tls := verified()
		tls.MinVersion, tls.MaxVersion = version, version
		r.publishAndWait(r.gateway(tls).ir())
		traffic.flow(t)
	}
	traffic.mustSucceed(t)
	if _, plain := r.backend.Counts(); plain > 0 {
		t.Errorf("%d plaintext requests", plain)
	}
	if n := r.proxy.Stat(t, "cluster."+statName+".ssl.versions.TLSv1.2"); n == 0 {
		t.Error("no TLS 1.2 handshake under the stat name")
	}
	r.expectClusters(t, edsClusterWithVersion(r.backend.Port, "1.2").Name)
}

func edsClusterWithVersion(port uint16, version string) *ir.Cluster {
	tls := verified()
	tls.MinVersion, tls.MaxVersion = version, version
	return edsCluster(statName, port, tls)
}

// expectClusters waits until Envoy has exactly the named clusters, besides the
// controller's.
func (r *running) expectClusters(t *testing.T, names ...string) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if n := r.proxy.Stat(t, "cluster_manager.active_clusters"); n != uint64(len(names)+1) {
			return fmt.Errorf("%d clusters, want %d", n, len(names)+1)
		}
		dump := string(r.proxy.Admin(t, "/clusters"))
		for _, name := range names {
			if !strings.Contains(dump, name+"::") {
				return fmt.Errorf("cluster %s is missing:\n%s", name, dump)
			}
		}
		return nil
	})
}

// TestClusterComesBack covers a policy that is deleted and created again, at
// every distance of the two.
func TestClusterComesBack(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, verified())
		closed := gateway{port: r.port, routes: []*ir.Route{forward("/", "missing")}}
		for _, pause := range []time.Duration{0, 5, 20, 90, 105, 110, 130, 205, 215, 400} {
			r.publish(closed.ir())
			<-time.After(pause * time.Millisecond)
			if pause == 400 {
				r.expectClusters(t)
			}
			r.publish(r.gateway(verified()).ir())
			r.client.expect(t, second, "/", http.StatusOK)
			r.waitFor(func(s xds.State) bool { return s.AckedRevision == r.revision })
			if err := r.client.check("/", http.StatusOK); err != nil {
				t.Errorf("pause of %d ms: %v", pause, err)
			}
		}
	})
}

func TestTrustRotationUnderTraffic(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	traffic := startTraffic(t, r.client, "/")
	next := envoytest.NewCA(t, "next")
	gw := r.gateway(verified())
	sent := r.sent.resources.Load()
	gw.secrets = []*ir.Secret{{Name: trustName, Kind: ir.SecretTrustBundle, Certificates: slices.Concat(r.ca.PEM, next.PEM)}}
	r.publishAndWait(gw.ir())
	r.backend.Present(t, next.Issue(t, []string{sni}, nil))
	gw.secrets = []*ir.Secret{trust(next)}
	r.publishAndWait(gw.ir())
	if n := r.sent.resources.Load() - sent; n != 2 {
		t.Errorf("two rotations sent %d resources, want the secret twice", n)
	}
	traffic.mustSucceed(t)
}

// TestNewRouteNeverComesFirst publishes a route and its cluster together: its
// first answer that is not 404 must be 200, and later ones too.
func TestNewRouteNeverComesFirst(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, verified())
		gw := gateway{port: r.port, secrets: r.secrets(verified())}
		for i := range 10 {
			path := fmt.Sprintf("/route-%d", i)
			cluster := edsCluster(fmt.Sprintf("kube_default_service-%d_443", i), r.backend.Port, verified())
			gw.clusters = append(slices.Clone(gw.clusters), cluster)
			gw.routes = append(slices.Clone(gw.routes), forward(path, cluster.Name))
			r.publish(gw.ir())
			r.expectFirst(t, path)
		}
	})
}

// expectFirst polls for the first answer that is not from the time before.
func (r *running) expectFirst(t *testing.T, path string) {
	t.Helper()
	deadline := time.Now().Add(second)
	for {
		got, err := r.client.get("example.com", path)
		if err != nil {
			t.Fatal(err)
		}
		old := got.status == http.StatusNotFound
		if got.status == http.StatusOK {
			return
		}
		if !old {
			t.Fatalf("GET %s: status %d: %s", path, got.status, got.body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("GET %s: no 200 within a second", path)
		}
	}
}

func TestEndpointsMoveWithoutClusters(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, verified())
		traffic := startTraffic(t, r.client, "/")
		other := envoytest.StartBackend(t, "other", r.ca.Issue(t, []string{sni}, nil))
		sent := r.sent.resources.Load()
		r.publishAndWait(to(r.port, edsCluster(statName, other.Port, verified()), trust(r.ca)).ir())
		if n := r.sent.resources.Load() - sent; n != 1 {
			t.Errorf("%d resources were sent, want the endpoints only", n)
		}
		envoytest.Eventually(t, second, func() error {
			if tls, _ := other.Counts(); tls == 0 {
				return fmt.Errorf("nothing reaches the new endpoint")
			}
			return nil
		})
		traffic.mustSucceed(t)
	})
}

func TestListenerChangesItsProtocolOnItsPort(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	gw := r.gateway(verified())
	changed := gw.ir()
	changed.Listeners[0].Name = "https"
	changed.Listeners[0].Chains[0].TLS = &ir.DownstreamTLS{Certificates: []string{"listener"}}
	changed.Listeners[0].Chains[0].Routes.Name = "https"
	pair := r.ca.Issue(t, []string{"example.com"}, nil)
	changed.Secrets = append(changed.Secrets, &ir.Secret{
		Name: "listener", Kind: ir.SecretKeyPair, Certificates: pair.Certificate, Key: pair.Key,
	})
	r.publishAndWait(changed)
	if s := r.server.State(gatewayName()); len(s.Rejections) > 0 {
		t.Fatalf("rejected: %+v", s.Rejections)
	}
	secure := newTLSClient(r.port, r.ca, "example.com")
	secure.expect(t, second, "/", http.StatusOK)
}
