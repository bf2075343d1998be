package envoy_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// TestEnvoyAcceptsTheGoldens serves every case to a real Envoy.
func TestEnvoyAcceptsTheGoldens(t *testing.T) {
	t.Parallel()
	server := startWithProxy(t)
	trustFile := envoytest.WriteFile(t, "bundle.crt", envoytest.NewCA(t, "system").PEM)
	all := cases(t)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		gw := all[name]
		renameClusters(gw, i)
		for _, c := range gw.Clusters {
			if c.TLS != nil && c.TLS.TrustFile != "" {
				c.TLS.TrustFile = trustFile
			}
		}
		for l := range gw.Listeners {
			gw.Listeners[l].Port = envoytest.FreePort(t)
		}
		r, err := envoy.Build(gw, envoy.Options{ListenAddress: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		revision := uint64(i + 1)
		server.Publish(gatewayName(), revision, r)
		envoytest.Eventually(t, 20*time.Second, func() error {
			s := server.State(gatewayName())
			if len(s.Rejections) > 0 {
				t.Fatalf("%s is rejected: %+v", name, s.Rejections)
			}
			if s.AckedRevision != revision {
				return fmt.Errorf("%s is not acknowledged: %+v", name, s)
			}
			return nil
		})
	}
}

// renameClusters keeps cases apart: a name stands for the same settings for
// ever, but the names in the goldens are made up.
func renameClusters(gw *ir.Gateway, number int) {
	names := map[string]string{}
	for _, c := range gw.Clusters {
		names[c.Name] = fmt.Sprintf("%s-%d", c.Name, number)
		c.Name = names[c.Name]
	}
	for _, l := range gw.Listeners {
		for _, host := range l.Chains[0].Routes.VirtualHosts {
			for _, route := range host.Routes {
				renameForward(route.Forward, names)
			}
		}
	}
}

func renameForward(forward *ir.Forward, names map[string]string) {
	if forward == nil {
		return
	}
	for i, c := range forward.Clusters {
		if name, ok := names[c.Cluster]; ok {
			forward.Clusters[i].Cluster = name
		}
	}
	for i, mirror := range forward.Mirrors {
		if name, ok := names[mirror.Cluster]; ok {
			forward.Mirrors[i].Cluster = name
		}
	}
}

// startWithProxy runs a server and a proxy of the Gateway.
func startWithProxy(t *testing.T) *xds.Server {
	t.Helper()
	server, _ := startBoth(t)
	return server
}

func startBoth(t *testing.T) (*xds.Server, *envoytest.Envoy) {
	t.Helper()
	ca := envoytest.NewCA(t, "xds")
	own := ca.Issue(t, []string{contract.XDSServerName}, nil)
	caFile := envoytest.WriteFile(t, "ca.crt", ca.PEM)
	server := xds.New(xds.Options{
		Logger: testr.New(t),
		TLS: xds.TLSFiles{
			CA:          caFile,
			Certificate: envoytest.WriteFile(t, "tls.crt", own.Certificate),
			Key:         envoytest.WriteFile(t, "tls.key", own.Key),
		},
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	node := gatewayName()
	client := ca.Issue(t, nil, []string{contract.NodeURI(node.Namespace, node.Name)})
	adminPort := envoytest.FreePort(t)
	config := envoytest.Bootstrap(t, bootstrap.Options{
		Namespace: node.Namespace, Gateway: node.Name,
		XDSHost: "127.0.0.1", XDSPort: listener.Addr().(*net.TCPAddr).AddrPort().Port(),
		CAFile:          caFile,
		CertificateFile: envoytest.WriteFile(t, "tls.crt", client.Certificate),
		KeyFile:         envoytest.WriteFile(t, "tls.key", client.Key),
		AdminPort:       adminPort,
	})
	return server, envoytest.Start(t, config, adminPort)
}
