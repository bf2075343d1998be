package verify

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// setOf is a ListenerSet of Gateway of-sets, one of whose listeners another has.
func setOf(name string, port int32, programmed metav1.Condition) *gatewayv1.ListenerSet {
	taken := gatewayv1.Hostname("taken.example")
	s := &gatewayv1.ListenerSet{ObjectMeta: named(name), Spec: gatewayv1.ListenerSetSpec{
		ParentRef: gatewayv1.ParentGatewayReference{Name: "of-sets"},
		Listeners: []gatewayv1.ListenerEntry{
			{Name: "taken", Port: port, Protocol: gatewayv1.HTTPProtocolType, Hostname: &taken},
			{Name: "http", Port: port, Protocol: gatewayv1.HTTPProtocolType},
		},
	}}
	s.Status = gatewayv1.ListenerSetStatus{
		Conditions: []metav1.Condition{accepted(), programmed},
		Listeners: []gatewayv1.ListenerEntryStatus{
			{Name: "taken", Conditions: []metav1.Condition{isFalse("Accepted", "HostnameConflict", "another has it")}},
			{Name: "http", Conditions: []metav1.Condition{accepted(), programmed}},
		},
	}
	return s
}

// throughSet attaches a scenario's route to a ListenerSet.
func throughSet(name string) func(*objects) {
	return func(o *objects) {
		through(name)(o)
		kind := gatewayv1.Kind(kindListenerSet)
		o.route.Spec.ParentRefs[0].Kind, o.route.Status.Parents[0].ParentRef.Kind = &kind, &kind
	}
}
