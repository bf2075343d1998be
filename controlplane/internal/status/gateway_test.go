package status

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// fieldsV1 is what the API server records when the controller applies one
// condition, one listener with one condition, and an address.
const fieldsV1 = `{"f:status":{"f:addresses":{},
	"f:conditions":{"k:{\"type\":\"Programmed\"}":{".":{},"f:status":{},"f:type":{}}},
	"f:listeners":{"k:{\"name\":\"http\"}":{".":{},"f:attachedRoutes":{},
		"f:conditions":{"k:{\"type\":\"Programmed\"}":{".":{},"f:type":{}}}}}}}`

func gatewayWith(t *testing.T, status any, fields string) *gatewayv1.Gateway {
	t.Helper()
	o := &gatewayv1.Gateway{}
	encoded, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &o.Status); err != nil {
		t.Fatal(err)
	}
	if fields != "" {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: contract.StatusFieldManager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(fields),
		}}
	}
	return o
}

func wantGateway(status ir.ConditionStatus, reason string) *Object {
	programmed := []ir.Condition{{Type: "Programmed", Status: status, Reason: reason}}
	return &Object{
		ObjectStatus: ir.ObjectStatus{
			Generation: 2, Conditions: programmed,
			Listeners: []ir.ListenerStatus{{Name: "http", SupportedKinds: []string{"HTTPRoute"}, Conditions: programmed}},
		},
		Addresses: []string{"gateway.example"},
	}
}

func TestGateway(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	wanted := wantGateway(ir.True, "Programmed")
	status, changed := m.gateway(&gatewayv1.Gateway{}, wanted)
	if !changed {
		t.Fatal("a new Gateway gets no status")
	}
	if kind := *status.(gatewayv1.GatewayStatus).Addresses[0].Type; kind != gatewayv1.HostnameAddressType {
		t.Errorf("address type is %s", kind)
	}
	if _, again := m.gateway(gatewayWith(t, status, fieldsV1), wanted); again {
		t.Error("what was written is written again")
	}

	foreign := gatewayWith(t, status, fieldsV1)
	foreign.Status.Conditions = append(foreign.Status.Conditions, metav1.Condition{Type: "example.org/Theirs"})
	if _, again := m.gateway(foreign, wanted); again {
		t.Error("another controller's condition leads to a write")
	}
	if _, takes := m.gateway(gatewayWith(t, status, ""), wanted); !takes {
		t.Error("a status that another controller owns is not taken over")
	}
	if _, back := m.gateway(gatewayWith(t, status, fieldsV1), &Object{}); !back {
		t.Error("a status that is no longer wanted is not taken back")
	}
	if _, back := m.gateway(gatewayWith(t, status, ""), &Object{}); back {
		t.Error("another controller's status is taken back")
	}
	fewer := *wanted
	fewer.Listeners = nil
	if _, back := m.gateway(gatewayWith(t, status, fieldsV1), &fewer); !back {
		t.Error("the status of a listener that is gone is not taken back")
	}
}

func TestKeepProgrammed(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	status, _ := m.gateway(&gatewayv1.Gateway{}, wantGateway(ir.True, "Programmed"))
	running := gatewayWith(t, status, fieldsV1)
	pending := wantGateway(ir.False, reasonPending)
	if _, changed := m.gateway(running, pending); !changed {
		t.Error("a lost proxy is not told")
	}
	pending.KeepProgrammed = true
	if _, changed := m.gateway(running, pending); changed {
		t.Error("the proxies have had no time to come back")
	}
	pending.Generation++
	if _, changed := m.gateway(running, pending); !changed {
		t.Error("a new generation counts as programmed")
	}
}
