package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gatewayClassStatuses are the statuses of this controller's classes.
func (t *translation) gatewayClassStatuses() []ir.ObjectStatus {
	var statuses []ir.ObjectStatus
	for name, class := range t.objects.classes {
		_, p := t.classParameters(class)
		accepted := p.condition(
			string(gatewayv1.GatewayClassConditionStatusAccepted),
			string(gatewayv1.GatewayClassReasonAccepted), "the controller serves this class")
		statuses = append(statuses, ir.ObjectStatus{
			Ref:        ir.Ref{Group: gatewayv1.GroupName, Kind: "GatewayClass", Name: ir.Name{Name: name}},
			Generation: class.Generation,
			Conditions: []ir.Condition{accepted},
			Features:   supportedFeatures(),
		})
	}
	return statuses
}
