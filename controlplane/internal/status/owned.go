package status

import (
	"encoding/json"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Gateways, GatewayClasses and Backends have lists with keys, so that several
// controllers can own parts of one status: the controller applies its part,
// and what it owned but does not apply again is removed by the API server. Its
// part is known from the object's managedFields, after a restart too.

// fields are the parts of a status that have an owner: "conditions/TYPE",
// "listeners/NAME", "listeners/NAME/conditions/TYPE", "addresses",
// "attachedListenerSets" and "supportedFeatures/NAME".
type fields map[string]bool

func (f fields) equal(o fields) bool { return maps.Equal(f, o) }

func fieldsOf(conditions []metav1.Condition, listeners []gatewayv1.ListenerStatus, addresses []gatewayv1.GatewayStatusAddress) fields {
	f := fields{}
	for _, c := range conditions {
		f["conditions/"+c.Type] = true
	}
	for _, l := range listeners {
		f["listeners/"+string(l.Name)] = true
		for _, c := range l.Conditions {
			f["listeners/"+string(l.Name)+"/conditions/"+c.Type] = true
		}
	}
	if len(addresses) > 0 {
		f["addresses"] = true
	}
	return f
}

// keyed is a list with keys in the FieldsV1 format: members are called
// k:{"KEY":"VALUE"}.
type keyed map[string]struct {
	Conditions keyed `json:"f:conditions"`
}

// owned are the fields that the controller has applied to object.
func owned(object client.Object) fields {
	f := fields{}
	for _, e := range object.GetManagedFields() {
		if e.Manager != contract.StatusFieldManager || e.Operation != metav1.ManagedFieldsOperationApply || e.FieldsV1 == nil {
			continue
		}
		var applied struct {
			Status struct {
				Conditions keyed           `json:"f:conditions"`
				Listeners  keyed           `json:"f:listeners"`
				Addresses  json.RawMessage `json:"f:addresses"`
				Sets       json.RawMessage `json:"f:attachedListenerSets"`
				Features   keyed           `json:"f:supportedFeatures"`
			} `json:"f:status"`
		}
		if err := json.Unmarshal(e.FieldsV1.GetRawBytes(), &applied); err != nil {
			// Taken as nothing owned: the controller applies once more.
			continue
		}
		applied.Status.Conditions.add(f, "conditions/", "type")
		applied.Status.Listeners.add(f, "listeners/", "name")
		applied.Status.Features.add(f, "supportedFeatures/", "name")
		if applied.Status.Addresses != nil {
			f["addresses"] = true
		}
		if applied.Status.Sets != nil {
			f["attachedListenerSets"] = true
		}
	}
	return f
}

func (k keyed) add(f fields, prefix, key string) {
	for member, inner := range k {
		var keys map[string]string
		encoded, isKey := strings.CutPrefix(member, "k:")
		if !isKey || json.Unmarshal([]byte(encoded), &keys) != nil {
			continue
		}
		name := prefix + keys[key]
		f[name] = true
		inner.Conditions.add(f, name+"/conditions/", "type")
	}
}
