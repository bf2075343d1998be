package xds_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// TestRejectedCluster publishes a cluster that Envoy rejects beside a good
// change, and then the fix.
func TestRejectedCluster(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, verified())
		bogus := verified()
		bogus.CipherSuites = []string{"NOT-A-CIPHER"}
		bad := edsCluster("kube_default_bad_443", r.backend.Port, bogus)
		good := edsCluster("kube_default_good_443", r.backend.Port, verified())
		gw := gateway{
			port:     r.port,
			clusters: []*ir.Cluster{bad, good},
			secrets:  []*ir.Secret{trust(r.ca)},
			routes:   []*ir.Route{forward("/bad", bad.Name), forward("/good", good.Name)},
		}
		r.publish(gw.ir())
		r.client.expect(t, second, "/good", http.StatusOK)
		r.client.expect(t, second, "/bad", http.StatusInternalServerError)
		r.waitFor(func(s xds.State) bool {
			return s.AckedRevision == r.revision && len(s.Rejections) == 1 &&
				s.Rejections[0].TypeURL == resource.ClusterType &&
				slices.Equal(s.Rejections[0].Resources, []string{bad.Name})
		})
		r.expectQuiet(t)

		fixed := edsCluster("kube_default_bad_443", r.backend.Port, verified())
		gw.clusters = []*ir.Cluster{fixed, good}
		gw.routes = []*ir.Route{forward("/bad", fixed.Name), forward("/good", good.Name)}
		r.publish(gw.ir())
		r.client.expect(t, second, "/bad", http.StatusOK)
		r.waitFor(func(s xds.State) bool { return s.AckedRevision == r.revision && len(s.Rejections) == 0 })
	})
}

// TestFirstResponseIsRejected covers a proxy that has accepted nothing yet.
func TestFirstResponseIsRejected(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		w := newWorld(t)
		// With a trust bundle Envoy would find the bad cipher only when it has
		// that, and reject the bundle.
		bad := edsCluster("kube_default_bad_443", 1, &ir.UpstreamTLS{
			InsecureSkipVerify: true, CipherSuites: []string{"NOT-A-CIPHER"},
		})
		w.publish(to(envoytest.FreePort(t), bad).ir())
		w.envoy(sotw)
		w.waitFor(func(s xds.State) bool { return s.AckedRevision == w.revision && len(s.Rejections) == 1 })
		w.expectQuiet(t)
	})
}

// expectQuiet fails if the server goes on sending.
func (w *world) expectQuiet(t *testing.T) {
	t.Helper()
	before := w.sent.responses.Load()
	<-time.After(300 * time.Millisecond)
	if n := w.sent.responses.Load() - before; n > 2 {
		t.Errorf("%d responses were sent in a time without changes", n)
	}
}

// TestRejectedSecretHarmsNobody starts a proxy with many key pairs, of which
// Envoy rejects one: it drops what comes after that in a response.
func TestRejectedSecretHarmsNobody(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		w := newWorld(t)
		ca := envoytest.NewCA(t, "listeners")
		port := envoytest.FreePort(t)
		gw := &ir.Gateway{Name: gatewayName(), Listeners: []ir.Listener{{Name: "https", Port: port}}}
		weak := weakPair(t)
		for i := range 6 {
			host := fmt.Sprintf("host-%d.example", i)
			pair := ca.Issue(t, []string{host}, nil)
			if i == 2 {
				pair = weak
			}
			gw.Secrets = append(gw.Secrets, &ir.Secret{
				Name: "pair/" + host, Kind: ir.SecretKeyPair, Certificates: pair.Certificate, Key: pair.Key,
			})
			gw.Listeners[0].Chains = append(gw.Listeners[0].Chains, ir.FilterChain{
				Name: host, ServerNames: []string{host},
				TLS: &ir.DownstreamTLS{Certificates: []string{"pair/" + host}},
				Routes: ir.RouteConfig{Name: host, VirtualHosts: []ir.VirtualHost{{
					Name: host, Domain: "*", Routes: []*ir.Route{redirectHome()},
				}}},
			})
		}
		w.publish(gw)
		w.envoy(sotw)
		for i := range 6 {
			if i == 2 {
				continue
			}
			newTLSClient(port, ca, fmt.Sprintf("host-%d.example", i)).expect(t, 2*second, "/", http.StatusFound)
		}
		w.waitFor(func(s xds.State) bool {
			return len(s.Rejections) == 1 && s.Rejections[0].TypeURL == resource.SecretType &&
				slices.Equal(s.Rejections[0].Resources, []string{"pair/host-2.example"})
		})
		w.expectQuiet(t)
	})
}

func redirectHome() *ir.Route {
	return &ir.Route{Name: "home", Match: ir.Match{PathType: ir.Prefix, Path: "/"}, Redirect: &ir.Redirect{Hostname: "home.example"}}
}

// weakPair has a key that Go takes and Envoy does not.
func weakPair(t *testing.T) envoytest.Pair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024) // Weak on purpose.
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"host-2.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return envoytest.Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
}

// TestClusterThatDoesNotWarm publishes a cluster that keeps Envoy from
// acknowledging clusters at all. Others must go on: once after AckTimeout,
// and then without delay.
func TestClusterThatDoesNotWarm(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, sotw bool) {
		t.Helper()
		r := newRunning(t, sotw, verified())
		stuck := edsCluster("kube_default_stuck_443", 1, nil)
		gw := gateway{port: r.port, secrets: []*ir.Secret{trust(r.ca)}, clusters: []*ir.Cluster{stuck}}
		resources := r.build(gw.ir())
		delete(resources.Endpoints, stuck.Name)
		r.revision++
		r.server.Publish(gatewayName(), r.revision, resources)
		r.client.expect(t, r.options.AckTimeout+second, "/", http.StatusNotFound)
		for i := range 3 {
			path := fmt.Sprintf("/new-%d", i)
			cluster := edsCluster(fmt.Sprintf("kube_default_new-%d_443", i), r.backend.Port, verified())
			gw.clusters = append(gw.clusters, cluster)
			gw.routes = append([]*ir.Route{forward(path, cluster.Name)}, gw.routes...)
			resources := r.build(gw.ir())
			delete(resources.Endpoints, stuck.Name)
			r.revision++
			r.server.Publish(gatewayName(), r.revision, resources)
			r.client.expect(t, second, path, http.StatusOK)
		}
	})
}
