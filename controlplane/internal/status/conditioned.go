package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// conditioned is the status of a kind that has nothing but conditions:
// GatewayClass and Backend.
type conditioned struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

func (m merger) conditioned(object client.Object, existing []metav1.Condition, wanted *Object) (any, bool) {
	status := conditioned{conditions(existing, wanted.Conditions, wanted.Generation, m.now)}
	if m.keepRefused {
		keepRefused(existing, status.Conditions)
	}
	changed := !hasConditions(existing, status.Conditions) || !owned(object).equal(fieldsOf(status.Conditions, nil, nil))
	return status, changed
}
