package status

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func TestFeatures(t *testing.T) {
	t.Parallel()
	// applied is what the API server records for two features.
	const applied = `{"f:status":{"f:supportedFeatures":{
		"k:{\"name\":\"A\"}":{".":{},"f:name":{}},"k:{\"name\":\"B\"}":{".":{},"f:name":{}}}}}`
	class := func(names ...gatewayv1.FeatureName) *gatewayv1.GatewayClass {
		o := &gatewayv1.GatewayClass{}
		o.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: contract.StatusFieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(applied),
		}}
		for _, name := range names {
			o.Status.SupportedFeatures = append(o.Status.SupportedFeatures, gatewayv1.SupportedFeature{Name: name})
		}
		return o
	}
	for name, test := range map[string]struct {
		existing *gatewayv1.GatewayClass
		wanted   []string
		writes   bool
	}{
		"new":            {&gatewayv1.GatewayClass{}, []string{"A"}, true},
		"written":        {class("A", "B"), []string{"A", "B"}, false},
		"others' too":    {class("A", "B", "C"), []string{"A", "B"}, false},
		"taken away":     {class("A"), []string{"A", "B"}, true},
		"one more":       {class("A", "B"), []string{"A", "B", "C"}, true},
		"no longer ours": {class("A", "B"), []string{"A"}, true},
	} {
		w, changed := merger{controller: own, now: at(1)}.merge(test.existing, &Object{ObjectStatus: ir.ObjectStatus{Features: test.wanted}})
		if changed != test.writes {
			t.Errorf("%s: writes %t, want %t", name, changed, test.writes)
		}
		if got, ok := w.status.(conditioned); !ok || len(got.SupportedFeatures) != len(test.wanted) {
			t.Errorf("%s: got %+v", name, w.status)
		}
	}
}
