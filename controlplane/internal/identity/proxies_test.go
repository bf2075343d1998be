package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	testclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// testRotation has real Envoys connect on both sides of each turn. Their clock
// is the real one, so the CAs are made in the past.
func (s *server) testRotation(t *testing.T) {
	const margin = 10 * time.Minute
	for name, turn := range map[string]time.Duration{
		"the next CA signs":           authorityLife*2/3 + propagation,
		"the next CA is shown":        authorityLife - presentMargin,
		"the CA before it is dropped": authorityLife,
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			clock := testclock.NewFakeClock(now.Add(margin - turn))
			namespace := s.namespace(t)
			a := s.replica(t, namespace, clock, true)
			waitReady(t, a)
			for _, at := range []time.Duration{authorityLife * 2 / 3, authorityLife*2/3 + propagation, turn - 2*margin} {
				if at <= turn-2*margin {
					jump(clock, now.Add(margin-turn+at), a)
					agree(t, min(2, 1+int(at/(authorityLife*2/3))), a)
				}
			}
			before := a.look()
			w := serve(t, a)
			old := w.envoy(t)
			w.waitConnected(t, 1)

			jump(clock, now.Add(margin), a)
			after := a.look()
			if before.signer.id == after.signer.id && before.shown.id == after.shown.id && before.current.equal(after.current) {
				t.Fatal("nothing has turned")
			}
			// The old certificate is let in again, and the new one is too.
			w.restart(t)
			w.waitConnected(t, 1)
			fresh := w.envoy(t)
			w.waitConnected(t, 2)
			old.WaitReady(t)
			fresh.WaitReady(t)
			w.checkStranger(t)
		})
	}
}

// testReplaced deletes the Secret below a proxy that has nothing but the old
// certificates.
func (s *server) testReplaced(t *testing.T) {
	clock := testclock.NewFakeClock(time.Now())
	namespace := s.namespace(t)
	a := s.replica(t, namespace, clock, true)
	waitReady(t, a)
	w := serve(t, a)
	old := w.envoy(t)
	w.waitConnected(t, 1)
	s.deleteSecret(t, namespace)
	agree(t, 2, a)
	if a.look().signer.id == a.look().shown.id {
		t.Fatal("the old CA is not shown")
	}
	w.restart(t)
	w.waitConnected(t, 1)
	w.envoy(t)
	w.waitConnected(t, 2)
	w.checkStranger(t)

	// Half an hour later trust in the old CA has ended, on both sides.
	jump(clock, clock.Now().Add(departedAccepted), a)
	failed := old.Stat(t, "cluster.tlsgw-xds.ssl.fail_verify_error")
	w.restart(t)
	w.waitConnected(t, 1)
	envoytest.Eventually(t, patient, func() error {
		if now := old.Stat(t, "cluster.tlsgw-xds.ssl.fail_verify_error"); now == failed {
			return fmt.Errorf("the old proxy has refused the controller %d times", now)
		}
		return nil
	})
	// As soon as its kubelet brings it the new ones, it is back.
	w.renew(t, old)
	w.waitConnected(t, 2)
}

// world is an xDS server with the TLS of an Authority.
type world struct {
	authority *Authority
	address   string
	server    *xds.Server
	stop      func()
}

func gateway() ir.Name { return ir.Name{Namespace: "infra", Name: "http"} }

func serve(t *testing.T, a *Authority) *world {
	t.Helper()
	w := &world{authority: a, address: "127.0.0.1:0"}
	w.start(t)
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) start(t *testing.T) {
	t.Helper()
	var listener net.Listener
	envoytest.Eventually(t, patient, func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", w.address)
		return err
	})
	w.address = listener.Addr().String()
	w.server = xds.New(xds.Options{Logger: testr.New(t), TLS: w.authority})
	built, err := envoy.Build(&ir.Gateway{Name: gateway()}, envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Publish(gateway(), 1, built)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	server := w.server
	go func() { served <- server.Serve(ctx, listener) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		server.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// restart makes every proxy connect anew.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.stop()
	w.start(t)
}

func (w *world) waitConnected(t *testing.T, count int) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if state := w.server.State(gateway()); state.Connected != count || state.AckedRevision != 1 {
			return fmt.Errorf("state is %+v, want %d proxies", state, count)
		}
		return nil
	})
}

// proxy is an Envoy and its Secret, mounted.
type proxy struct {
	*envoytest.Envoy
	secret mount
}

// envoy starts a proxy with the certificates of now.
func (w *world) envoy(t *testing.T) proxy {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	p := proxy{secret: mount(t.TempDir())}
	w.renew(t, p)
	options := bootstrap.Options{
		Namespace: gateway().Namespace, Gateway: gateway().Name,
		XDSHost: address.IP.String(), XDSPort: address.AddrPort().Port(),
		CAFile: p.secret.path("ca.crt"), CertificateFile: p.secret.path("tls.crt"), KeyFile: p.secret.path("tls.key"),
		AdminPort: envoytest.FreePort(t),
	}
	p.Envoy = envoytest.Start(t, envoytest.Bootstrap(t, options), options.AdminPort)
	return p
}

// renew gives a proxy the certificates of now.
func (w *world) renew(t *testing.T, p proxy) {
	t.Helper()
	certificate, key, _, err := w.authority.Issue(gateway().Namespace, gateway().Name)
	if err != nil {
		t.Fatal(err)
	}
	p.secret.put(t, map[string][]byte{"ca.crt": w.authority.Bundle(), "tls.crt": certificate, "tls.key": key})
}

// mount is a folder in which files change as those of a Secret do in a pod:
// all at once, by a link that is put in the place of another.
type mount string

func (m mount) path(name string) string { return filepath.Join(string(m), name) }

func (m mount) put(t *testing.T, files map[string][]byte) {
	t.Helper()
	version := m.path(fmt.Sprintf("..version-%d", time.Now().UnixNano()))
	if err := os.Mkdir(version, 0o700); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, m.path(name)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(version, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		link(filepath.Join("..data", name), name)
	}
	link(filepath.Base(version), "..next")
	if err := os.Rename(m.path("..next"), m.path("..data")); err != nil {
		t.Fatal(err)
	}
}

// checkStranger holds that a certificate is good for its own Gateway only.
func (w *world) checkStranger(t *testing.T) {
	t.Helper()
	certificate, key, _, err := w.authority.Issue("infra", "other")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pool(parse(t, w.authority.Bundle())...)
	conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: trusted, ServerName: contract.XDSServerName, Certificates: []tls.Certificate{pair},
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "infra/http"}, TypeUrl: resource.ClusterType})
	if _, err = stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("with another Gateway's certificate: %v", err)
	}
}
