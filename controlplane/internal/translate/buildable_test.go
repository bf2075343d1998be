package translate

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// checkBuildable holds clusters to what Envoy takes: whatever a policy says,
// the translation must have refused what Envoy would reject.
func checkBuildable(tb testing.TB, g *ir.Gateway) {
	tb.Helper()
	_, err := envoy.Build(g, envoy.Options{})
	for _, problem := range envoy.Problems(err) {
		if problem.Kind == "cluster" {
			tb.Errorf("the translation lets pass: %v", problem)
		}
	}
}
