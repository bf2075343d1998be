package status

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// gateway makes the fields of a Gateway's status that the controller applies.
func (m merger) gateway(existing *gatewayv1.Gateway, wanted *Object) (any, bool) {
	return m.listening(existing, existing.Status, wanted)
}

// listening makes the status of an object that has listeners.
func (m merger) listening(object client.Object, existing gatewayv1.GatewayStatus, wanted *Object) (gatewayv1.GatewayStatus, bool) {
	status := gatewayv1.GatewayStatus{
		Addresses:            addresses(wanted.Addresses),
		Conditions:           conditions(existing.Conditions, wanted.Conditions, wanted.Generation, m.now),
		AttachedListenerSets: wanted.AttachedListenerSets,
	}
	if wanted.KeepProgrammed {
		keepProgrammed(existing.Conditions, status.Conditions)
	}
	for _, l := range wanted.Listeners {
		var before []metav1.Condition
		if i := slices.IndexFunc(existing.Listeners, named(l.Name)); i >= 0 {
			before = existing.Listeners[i].Conditions
		}
		made := listener(l, conditions(before, l.Conditions, wanted.Generation, m.now))
		if wanted.KeepProgrammed {
			keepProgrammed(before, made.Conditions)
		}
		status.Listeners = append(status.Listeners, made)
	}
	owns := fieldsOf(status.Conditions, status.Listeners, status.Addresses)
	if status.AttachedListenerSets != nil {
		owns["attachedListenerSets"] = true
	}
	return status, !hasGateway(existing, status) || !owned(object).equal(owns)
}

func listener(l ir.ListenerStatus, conditions []metav1.Condition) gatewayv1.ListenerStatus {
	made := gatewayv1.ListenerStatus{
		Name: gatewayv1.SectionName(l.Name), AttachedRoutes: l.AttachedRoutes, Conditions: conditions,
		SupportedKinds: []gatewayv1.RouteGroupKind{},
	}
	for _, kind := range l.SupportedKinds {
		group := gatewayv1.Group(gatewayv1.GroupName)
		made.SupportedKinds = append(made.SupportedKinds, gatewayv1.RouteGroupKind{Group: &group, Kind: gatewayv1.Kind(kind)})
	}
	return made
}

func addresses(wanted []string) []gatewayv1.GatewayStatusAddress {
	var made []gatewayv1.GatewayStatusAddress
	for _, address := range wanted {
		kind := gatewayv1.HostnameAddressType
		if _, err := netip.ParseAddr(address); err == nil {
			kind = gatewayv1.IPAddressType
		}
		made = append(made, gatewayv1.GatewayStatusAddress{Type: &kind, Value: address})
	}
	return made
}

// keepProgrammed leaves Programmed as it stood for the same generation, where all
// that is said against it is that proxies have not answered.
func keepProgrammed(before, after []metav1.Condition) {
	old, made := find(before, conditionProgrammed), find(after, conditionProgrammed)
	if old != nil && made != nil && made.Reason == reasonPending && old.ObservedGeneration == made.ObservedGeneration && ofProxies(old) {
		*made = *old
	}
}

// ofProxies tells whether Programmed speaks of the proxies, and not of what is
// wrong with the object.
func ofProxies(programmed *metav1.Condition) bool {
	switch programmed.Reason {
	case reasonNotAllowed, reasonListenersNotValid, reasonHostnameConflict, reasonProtocolConflict:
		return false
	case reasonInvalid:
		return strings.HasPrefix(programmed.Message, Rejected)
	}
	return true
}

func named(name string) func(gatewayv1.ListenerStatus) bool {
	return func(l gatewayv1.ListenerStatus) bool { return string(l.Name) == name }
}

// hasGateway tells whether existing says all that wanted says.
func hasGateway(existing, wanted gatewayv1.GatewayStatus) bool {
	if !hasConditions(existing.Conditions, wanted.Conditions) ||
		wanted.AttachedListenerSets != nil && !pointsToSame(existing.AttachedListenerSets, wanted.AttachedListenerSets) ||
		len(wanted.Addresses) > 0 && !equality.Semantic.DeepEqual(existing.Addresses, wanted.Addresses) {
		return false
	}
	for _, w := range wanted.Listeners {
		i := slices.IndexFunc(existing.Listeners, named(string(w.Name)))
		if i < 0 {
			return false
		}
		e := existing.Listeners[i]
		if e.AttachedRoutes != w.AttachedRoutes || !equality.Semantic.DeepEqual(e.SupportedKinds, w.SupportedKinds) ||
			!hasConditions(e.Conditions, w.Conditions) {
			return false
		}
	}
	return true
}

// hasConditions tells whether existing has all of wanted.
func hasConditions(existing, wanted []metav1.Condition) bool {
	for _, w := range wanted {
		if e := find(existing, w.Type); e == nil || !same(*e, w) {
			return false
		}
	}
	return true
}
