package controlplane_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"
)

// versions has somebody else's version of a CRD come and go.
func (b *beyond) versions(t *testing.T) {
	class := func(status metav1.ConditionStatus, reason, part string) {
		t.Helper()
		eventually(t, b.cluster, &gatewayv1.GatewayClass{}, "", "tlsgw", func(o *gatewayv1.GatewayClass) error {
			if err := isTrue(o.Generation, o.Status.Conditions, "Accepted"); err != nil {
				return err
			}
			return says(o.Status.Conditions, "SupportedVersion", status, reason, part)
		})
	}
	annotate := func(version string) {
		t.Helper()
		crd := &metav1.PartialObjectMetadata{}
		crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		crd.Name = "tcproutes." + gatewayv1.GroupName
		patch := fmt.Sprintf(`{"metadata": {"annotations": {%q: %q}}}`, consts.BundleVersionAnnotation, version)
		if err := b.Patch(t.Context(), crd, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	class(metav1.ConditionTrue, "SupportedVersion", "v1.6")
	annotate("v1.9.0")
	class(metav1.ConditionFalse, "UnsupportedVersion", "v1.9.0 (that of tcproutes)")
	annotate(consts.BundleVersion)
	class(metav1.ConditionTrue, "SupportedVersion", "v1.6")
}
