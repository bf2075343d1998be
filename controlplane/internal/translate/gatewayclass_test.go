package translate

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestSupportedVersion: one CRD of another version is enough for a no.
func TestSupportedVersion(t *testing.T) {
	t.Parallel()
	crd := func(name, version string) *metav1.PartialObjectMetadata {
		o := &metav1.PartialObjectMetadata{}
		o.Name = name + ".gateway.networking.k8s.io"
		if version != "" {
			o.Annotations = map[string]string{consts.BundleVersionAnnotation: version}
		}
		return o
	}
	good := crd("gateways", consts.BundleVersion)
	for name, test := range map[string]struct {
		definitions []*metav1.PartialObjectMetadata
		status      ir.ConditionStatus
		message     string
	}{
		"none":               {nil, "", ""},
		"ours":               {[]*metav1.PartialObjectMetadata{good}, ir.True, "v1.6"},
		"another patch":      {[]*metav1.PartialObjectMetadata{good, crd("httproutes", "v1.6.0-rc.1")}, ir.True, "v1.6"},
		"newer":              {[]*metav1.PartialObjectMetadata{good, crd("httproutes", "v1.7.0")}, ir.False, "v1.7.0 (that of httproutes)"},
		"older":              {[]*metav1.PartialObjectMetadata{crd("httproutes", "v1.2.1"), crd("gateways", "v1.2.1")}, ir.False, "v1.2.1 (that of httproutes)"},
		"without annotation": {[]*metav1.PartialObjectMetadata{good, crd("httproutes", "")}, ir.False, "no version (that of httproutes)"},
		"no version":         {[]*metav1.PartialObjectMetadata{crd("gateways", "main")}, ir.False, "main (that of gateways)"},
	} {
		for range 2 {
			conditions := versionConditions(test.definitions)
			if test.status == "" {
				if len(conditions) > 0 {
					t.Errorf("%s: got %+v", name, conditions)
				}
				continue
			}
			if len(conditions) != 1 || conditions[0].Status != test.status || !strings.Contains(conditions[0].Message, test.message) {
				t.Errorf("%s: got %+v", name, conditions)
			}
			slices.Reverse(test.definitions)
		}
	}
}
