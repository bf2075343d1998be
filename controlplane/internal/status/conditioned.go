package status

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// conditioned is the status of a kind that has conditions and little else:
// GatewayClass and Backend.
type conditioned struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// SupportedFeatures are a GatewayClass's.
	SupportedFeatures []gatewayv1.SupportedFeature `json:"supportedFeatures,omitempty"`
}

func (m merger) conditioned(object client.Object, existing conditioned, wanted *Object) (any, bool) {
	status := conditioned{Conditions: conditions(existing.Conditions, wanted.Conditions, wanted.Generation, m.now)}
	if m.keepRefused {
		keepRefused(existing.Conditions, status.Conditions)
	}
	owns := fieldsOf(status.Conditions, nil, nil)
	complete := hasConditions(existing.Conditions, status.Conditions)
	for _, name := range wanted.Features {
		feature := gatewayv1.SupportedFeature{Name: gatewayv1.FeatureName(name)}
		status.SupportedFeatures = append(status.SupportedFeatures, feature)
		owns["supportedFeatures/"+name] = true
		complete = complete && slices.Contains(existing.SupportedFeatures, feature)
	}
	return status, !complete || !owned(object).equal(owns)
}
