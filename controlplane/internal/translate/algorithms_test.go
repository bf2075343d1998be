package translate

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestEnvoyTakesEveryAlgorithm has a real Envoy validate a cluster for each name
// of the tables, which can therefore be no more than what Envoy takes.
func TestEnvoyTakesEveryAlgorithm(t *testing.T) {
	t.Parallel()
	trust := envoytest.WriteFile(t, "ca.crt", envoytest.NewCA(t, "ca").PEM)
	g := &ir.Gateway{Name: ir.Name{Namespace: "default", Name: "g"}}
	add := func(parameters v1alpha1.TLSParameters) {
		c := &ir.Cluster{
			StatName: fmt.Sprintf("c%d", len(g.Clusters)), Discovery: ir.DiscoverStatic,
			Endpoints: []ir.Endpoint{{Host: "127.0.0.1", Port: 1}}, TLS: &ir.UpstreamTLS{TrustFile: trust},
		}
		if err := setParameters(&parameters, c.TLS); err != nil {
			t.Error(err)
		}
		c.SetName()
		g.Clusters = append(g.Clusters, c)
	}
	for _, name := range slices.Sorted(maps.Keys(cipherSuites())) {
		add(v1alpha1.TLSParameters{CipherSuites: []string{name}})
	}
	add(v1alpha1.TLSParameters{CipherSuites: slices.Sorted(maps.Keys(cipherSuites()))})
	for _, name := range slices.Sorted(maps.Keys(curves())) {
		add(v1alpha1.TLSParameters{ECDHCurves: []string{name}})
	}
	add(v1alpha1.TLSParameters{ECDHCurves: slices.Sorted(maps.Keys(curves()))})
	for _, name := range slices.Sorted(maps.Keys(signatureAlgorithms())) {
		add(v1alpha1.TLSParameters{SignatureAlgorithms: []string{name}})
	}
	add(v1alpha1.TLSParameters{SignatureAlgorithms: slices.Sorted(maps.Keys(signatureAlgorithms()))})

	resources, err := envoy.Build(g, envoy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	config := &bootstrapv3.Bootstrap{StaticResources: &bootstrapv3.Bootstrap_StaticResources{}}
	for _, name := range slices.Sorted(maps.Keys(resources.Clusters)) {
		config.StaticResources.Clusters = append(config.StaticResources.Clusters, resources.Clusters[name])
	}
	encoded, err := protojson.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), envoytest.Binary(t), "--mode", "validate", "--log-level", "error",
		"--config-path", envoytest.WriteFile(t, "bootstrap.json", encoded))
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("Envoy refuses an algorithm: %v\n%s", err, output)
	}
}
