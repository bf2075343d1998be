package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gatewayClass checks a class of this controller. Parameters are refused, as
// there are none to choose from.
func gatewayClass(class *gatewayv1.GatewayClass) *problem {
	ref := class.Spec.ParametersRef
	if ref == nil {
		return nil
	}
	return problemf(string(gatewayv1.GatewayClassReasonInvalidParameters),
		"spec.parametersRef: %s %s is not supported: this controller takes no parameters", ref.Kind, ref.Name)
}

// gatewayClassStatuses are the statuses of this controller's classes.
func (t *translation) gatewayClassStatuses() []ir.ObjectStatus {
	var statuses []ir.ObjectStatus
	for name, class := range t.objects.classes {
		accepted := gatewayClass(class).condition(
			string(gatewayv1.GatewayClassConditionStatusAccepted),
			string(gatewayv1.GatewayClassReasonAccepted), "the controller serves this class")
		statuses = append(statuses, ir.ObjectStatus{
			Ref:        ir.Ref{Group: gatewayv1.GroupName, Kind: "GatewayClass", Name: ir.Name{Name: name}},
			Generation: class.Generation,
			Conditions: []ir.Condition{accepted},
		})
	}
	return statuses
}
