package translate

import (
	"slices"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/features"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// maxFeatures is how many the API takes in a GatewayClass's status.
const maxFeatures = 64

// TestFeatures: the API wants them sorted, and a name that no suite knows would
// be claimed in vain.
func TestFeatures(t *testing.T) {
	t.Parallel()
	names := supportedFeatures()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || len(names) > maxFeatures {
		t.Errorf("features must be sorted, different and at most %d: %q", maxFeatures, names)
	}
	known := features.SetsToNamesSet(features.AllFeatures)
	for _, name := range names {
		if !known.Has(features.FeatureName(name)) {
			t.Errorf("Gateway API has no feature %s", name)
		}
	}
	class := &gatewayv1.GatewayClass{}
	class.Name, class.Spec.ControllerName = "tlsgw", gatewayv1.GatewayController(testOptions().ControllerName)
	result := Translate(&snapshot.Snapshot{GatewayClasses: []*gatewayv1.GatewayClass{class}}, testOptions())
	if got := result.Statuses[0].Features; !slices.Equal(got, names) {
		t.Errorf("the GatewayClass publishes %q", got)
	}
}
