package envoy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestEnvoyTakesWhatBundlesTake serves odd certificates to a real Envoy, those
// that a bundle may hold and those that it may not because of Envoy. Envoy must
// reject exactly the latter.
func TestEnvoyTakesWhatBundlesTake(t *testing.T) {
	t.Parallel()
	server := startWithProxy(t)
	gw := &ir.Gateway{Name: gatewayName()}
	odd := envoytest.OddCertificates(t)
	meanings := map[string]string{}
	var want, got []string
	for i, name := range slices.Sorted(maps.Keys(odd)) {
		switch _, err := bundle.Parse(odd[name]); {
		case err == nil:
		case strings.Contains(err.Error(), "Envoy does not take"):
			want = append(want, name)
		default:
			continue
		}
		secret := fmt.Sprintf("trust/odd/configmap/odd-%d", i)
		meanings[secret] = name
		gw.Secrets = append(gw.Secrets, &ir.Secret{Name: secret, Kind: ir.SecretTrustBundle, Certificates: odd[name]})
		c := &ir.Cluster{
			StatName: fmt.Sprintf("odd_%d", i), Discovery: ir.DiscoverStatic, Endpoints: []ir.Endpoint{{Host: "127.0.0.1", Port: 1}},
			TLS: &ir.UpstreamTLS{SNI: "example.com", TrustBundle: secret, SANs: []ir.SAN{{Type: ir.SANDNS, Value: "example.com"}}},
		}
		c.SetName()
		gw.Clusters = append(gw.Clusters, c)
	}
	r, err := envoy.Build(gw, envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server.Publish(gatewayName(), 1, r)
	envoytest.Eventually(t, 20*time.Second, func() error {
		if s := server.State(gatewayName()); s.AckedRevision != 1 {
			return fmt.Errorf("not acknowledged: %+v", s)
		}
		return nil
	})
	for _, rejection := range server.State(gatewayName()).Rejections {
		for _, secret := range rejection.Resources {
			got = append(got, meanings[secret])
		}
	}
	t.Logf("%d certificates, of which Envoy does not take %d", len(gw.Secrets), len(want))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificates that Envoy does not take (-said +seen):\n%s", diff)
	}
}
