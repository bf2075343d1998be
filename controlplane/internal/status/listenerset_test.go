package status

import (
	"testing"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func setName() ir.Name { return ir.Name{Namespace: "team", Name: "set"} }

// TestListenerSetProgrammed: a ListenerSet is not programmed for the reason for
// which it is not accepted, unlike a Gateway.
func TestListenerSetProgrammed(t *testing.T) {
	t.Parallel()
	running := map[ir.Name]Live{gatewayName(): {Connected: 1, Acknowledged: true, SetsAcknowledged: true}}
	no := func(reason string) []ir.Condition {
		return []ir.Condition{{Type: conditionAccepted, Status: ir.False, Reason: reason, Message: "taken"}}
	}
	unresolved := []ir.Condition{accepted(ir.True, ""), {Type: conditionResolvedRefs, Status: ir.False, Reason: "RefNotPermitted", Message: "no"}}
	yes := []ir.Condition{accepted(ir.True, "")}
	rejecting := func(name string) map[ir.Name]Live {
		return map[ir.Name]Live{gatewayName(): {
			Connected: 1, Acknowledged: true, SetsAcknowledged: true, Rejections: []Rejection{{Part: PartListener, Name: name, Message: "Envoy rejected: x"}},
		}}
	}
	undeployed := map[ir.Name]Live{gatewayName(): {Connected: 1, Acknowledged: true, SetsAcknowledged: true, Undeployed: "no room"}}
	unanswered := map[ir.Name]Live{gatewayName(): {Connected: 1, Acknowledged: true}}
	const (
		runs    = "True Programmed Envoy runs this generation"
		pending = "False Pending Envoy has not acknowledged this generation yet"
	)
	for name, test := range map[string]struct {
		live            map[ir.Name]Live
		set, listener   []ir.Condition
		onSet, onMember string
	}{
		"runs":                  {running, yes, yes, runs, runs},
		"no proxy":              {nil, yes, yes, "False Pending no Envoy is connected to the controller", "False Pending no Envoy is connected to the controller"},
		"one bad":               {running, yes, no("HostnameConflict"), runs, "False HostnameConflict Accepted is False: taken"},
		"all bad":               {running, no("ListenersNotValid"), no("ProtocolConflict"), "False ListenersNotValid Accepted is False: taken", "False ProtocolConflict Accepted is False: taken"},
		"not granted":           {running, yes, unresolved, runs, "False Invalid ResolvedRefs is False: no"},
		"partly granted":        {running, yes, unresolved, runs, runs},
		"not allowed":           {running, no("NotAllowed"), yes, "False NotAllowed Accepted is False: taken", runs},
		"not allowed, no proxy": {nil, no("NotAllowed"), no("PortUnavailable"), "False NotAllowed Accepted is False: taken", "False Invalid Accepted is False: taken"},
		"parent not accepted":   {running, no("ParentNotAccepted"), yes, "False ParentNotProgrammed Accepted is False: taken", "False Invalid the Gateway is not accepted"},
		"not deployed":          {undeployed, yes, yes, "False ParentNotProgrammed Gateway infra/http: no room", runs},
		"new":                   {unanswered, yes, yes, pending, pending},
		"rejected":              {rejecting("http-80"), yes, yes, "False Invalid Envoy rejected: x", "False Invalid Envoy rejected: x"},
		"others rejected":       {rejecting("http-81"), yes, yes, runs, runs},
	} {
		parent := gatewayName()
		chain := func(name string) ir.Listener {
			return ir.Listener{Name: name, Chains: []ir.FilterChain{{Name: name}}}
		}
		r := &ir.Result{
			Gateways:    []*ir.Gateway{{Name: parent, Listeners: []ir.Listener{chain("http-80"), chain("http-81")}}},
			Deployments: []*ir.Deployment{{Gateway: parent, Addresses: []string{"192.0.2.7"}}},
			Statuses: []ir.ObjectStatus{{
				Ref: ir.Ref{Group: gatewayGroup, Kind: listenerSetKind, Name: setName()}, Gateway: &parent,
				Conditions: test.set, Listeners: []ir.ListenerStatus{{
					Name: "http", Chains: []string{"http-80"}, Conditions: test.listener,
					Closed: name == "not granted" || name == "parent not accepted",
				}},
			}},
		}
		got := Complete(r, test.live, "192.0.2.1")[0]
		if last := text(got.Conditions); last != test.onSet {
			t.Errorf("%s: ListenerSet: %s, want %s", name, last, test.onSet)
		}
		if last := text(got.Listeners[0].Conditions); last != test.onMember {
			t.Errorf("%s: listener: %s, want %s", name, last, test.onMember)
		}
		if got.KeepProgrammed != (name == "new") {
			t.Errorf("%s: what stands there is kept: %t", name, got.KeepProgrammed)
		}
		if got.Addresses != nil {
			t.Errorf("%s: a ListenerSet has no addresses", name)
		}
	}
}

// TestBlameThroughListenerSet: a route can be attached to a ListenerSet alone.
func TestBlameThroughListenerSet(t *testing.T) {
	t.Parallel()
	parent := gatewayName()
	route := ir.Ref{Group: gatewayGroup, Kind: httpRouteKind, Name: ir.Name{Namespace: "team", Name: "r"}}
	r := &ir.Result{
		Gateways: []*ir.Gateway{{Name: gatewayName()}},
		Statuses: []ir.ObjectStatus{
			{Ref: ir.Ref{Group: gatewayGroup, Kind: listenerSetKind, Name: setName()}, Gateway: &parent},
			{Ref: route, Parents: []ir.ParentStatus{
				{Parent: ir.ParentRef{Kind: ptr.To(listenerSetKind), Name: "set"}, Conditions: []ir.Condition{accepted(ir.True, "")}},
				{Parent: ir.ParentRef{Kind: ptr.To(listenerSetKind), Name: "other"}, Conditions: []ir.Condition{accepted(ir.True, "")}},
			}},
		},
	}
	live := map[ir.Name]Live{gatewayName(): {Rejections: []Rejection{{Part: PartRoute, Name: ir.RouteName(route, 0, 0), Message: "bad"}}}}
	got := Complete(r, live, "")[1]
	if got.Parents[0].Conditions[0].Status != ir.False || got.Parents[1].Conditions[0].Status != ir.True {
		t.Errorf("got %+v", got.Parents)
	}
}

func TestListenerSetIsWrittenOnce(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	wanted := wantGateway(ir.True, "Programmed")
	wanted.Addresses = nil
	w, changed := m.merge(&gatewayv1.ListenerSet{}, wanted)
	status, ok := w.status.(gatewayv1.ListenerSetStatus)
	if !changed || !ok || len(status.Listeners) != 1 || len(status.Conditions) != 1 {
		t.Fatalf("changed %t, got %+v", changed, w.status)
	}
	const applied = `{"f:status":{
		"f:conditions":{"k:{\"type\":\"Programmed\"}":{".":{}}},
		"f:listeners":{"k:{\"name\":\"http\"}":{".":{},"f:conditions":{"k:{\"type\":\"Programmed\"}":{".":{}}}}}}}`
	existing := &gatewayv1.ListenerSet{Status: status}
	existing.ManagedFields = gatewayWith(t, gatewayv1.GatewayStatus{}, applied).ManagedFields
	if _, again := m.merge(existing, wanted); again {
		t.Error("what was written is written again")
	}
	if _, back := m.merge(existing, nil); !back {
		t.Error("the status of a ListenerSet that is not ours any more is not taken back")
	}
}

func TestAttachedListenerSets(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	const applied = `{"f:status":{"f:attachedListenerSets":{}}}`
	for name, test := range map[string]struct {
		existing, wanted *int32
		writes           bool
	}{
		"same":     {ptr.To[int32](1), ptr.To[int32](1), false},
		"other":    {ptr.To[int32](1), ptr.To[int32](0), true},
		"no more":  {ptr.To[int32](1), nil, true},
		"was gone": {nil, ptr.To[int32](0), true},
	} {
		existing := gatewayWith(t, gatewayv1.GatewayStatus{AttachedListenerSets: test.existing}, applied)
		_, writes := m.gateway(existing, &Object{ObjectStatus: ir.ObjectStatus{AttachedListenerSets: test.wanted}})
		if writes != test.writes {
			t.Errorf("%s: writes %t", name, writes)
		}
	}
}

// TestRefusalIsNotKeptBack: what is wrong with a listener is said though the
// proxies have not answered.
func TestRefusalIsNotKeptBack(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	before, _ := m.merge(&gatewayv1.ListenerSet{}, wantGateway(ir.True, "Programmed"))
	existing := &gatewayv1.ListenerSet{Status: before.status.(gatewayv1.ListenerSetStatus)}
	wanted := wantGateway(ir.False, reasonPending)
	wanted.KeepProgrammed = true
	wanted.Listeners[0].Conditions = []ir.Condition{{Type: "Programmed", Status: ir.False, Reason: reasonInvalid, Message: "no such Secret"}}
	after, _ := m.merge(existing, wanted)
	status := after.status.(gatewayv1.ListenerSetStatus)
	if set, listener := status.Conditions[0].Reason, status.Listeners[0].Conditions[0].Reason; set != "Programmed" || listener != reasonInvalid {
		t.Errorf("the ListenerSet is %s, its listener %s", set, listener)
	}
}

// TestListenerSetIsLetIn: what the object itself was told does not stand while
// the proxies come back.
func TestListenerSetIsLetIn(t *testing.T) {
	t.Parallel()
	m := merger{controller: own, now: at(100)}
	for reason, keeps := range map[string]bool{"Programmed": true, "NotAllowed": false, "ListenersNotValid": false, "HostnameConflict": false} {
		before, _ := m.merge(&gatewayv1.ListenerSet{}, wantGateway(ir.False, reason))
		existing := &gatewayv1.ListenerSet{Status: before.status.(gatewayv1.ListenerSetStatus)}
		pending := wantGateway(ir.False, reasonPending)
		pending.KeepProgrammed = true
		after, _ := m.merge(existing, pending)
		if got := after.status.(gatewayv1.ListenerSetStatus).Conditions[0].Reason; keeps != (got == reason) {
			t.Errorf("%s becomes %s", reason, got)
		}
	}
}
