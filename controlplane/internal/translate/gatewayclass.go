package translate

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gatewayClassStatuses are the statuses of this controller's classes.
func (t *translation) gatewayClassStatuses() []ir.ObjectStatus {
	var statuses []ir.ObjectStatus
	versions := versionConditions(t.objects.definitions)
	for name, class := range t.objects.classes {
		_, p := t.classParameters(class)
		accepted := p.condition(
			string(gatewayv1.GatewayClassConditionStatusAccepted),
			string(gatewayv1.GatewayClassReasonAccepted), "the controller serves this class")
		statuses = append(statuses, ir.ObjectStatus{
			Ref:        ir.Ref{Group: gatewayv1.GroupName, Kind: "GatewayClass", Name: ir.Name{Name: name}},
			Generation: class.Generation,
			Conditions: append([]ir.Condition{accepted}, versions...),
			Features:   supportedFeatures(),
		})
	}
	return statuses
}

// versionConditions is SupportedVersion, by the versions that Gateway API's
// CRDs say they have: any of the minor version whose Go types this is built
// with is supported. Others are served as well as can be. Without CRDs, as of
// manifests, there is nothing to say.
func versionConditions(definitions []*metav1.PartialObjectMetadata) []ir.Condition {
	if len(definitions) == 0 {
		return nil
	}
	supported := minor(consts.BundleVersion)
	others := map[string]string{} // One CRD of each version.
	for _, crd := range definitions {
		if bundle := crd.Annotations[consts.BundleVersionAnnotation]; minor(bundle) != supported {
			name, _, _ := strings.Cut(crd.Name, ".")
			others[bundle] = max(others[bundle], name) // Whatever the order.
		}
	}
	kind, reason := string(gatewayv1.GatewayClassConditionStatusSupportedVersion), string(gatewayv1.GatewayClassReasonSupportedVersion)
	if len(others) == 0 {
		return []ir.Condition{(*problem)(nil).condition(kind, reason, "the CRDs of Gateway API are of version "+supported)}
	}
	var found []string
	for bundle, name := range others {
		if bundle == "" {
			bundle = "no version"
		}
		found = append(found, fmt.Sprintf("%s (that of %s)", bundle, name))
	}
	slices.Sort(found)
	no := problemf(string(gatewayv1.GatewayClassReasonUnsupportedVersion),
		"CRDs of Gateway API have %s; %s is supported, and others are served as well as can be", strings.Join(found, ", "), supported)
	return []ir.Condition{no.condition(kind, reason, "")}
}

// minor is the beginning of a version that its patches share; empty where it is
// none.
func minor(text string) string {
	v, err := utilversion.ParseSemantic(text)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("v%d.%d", v.Major(), v.Minor())
}
