package status

import (
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// listenerSet makes the fields of a ListenerSet's status that the controller
// applies. It has the form of a Gateway's.
func (m merger) listenerSet(existing *gatewayv1.ListenerSet, wanted *Object) (any, bool) {
	before := gatewayv1.GatewayStatus{Conditions: existing.Status.Conditions}
	for _, l := range existing.Status.Listeners {
		before.Listeners = append(before.Listeners, gatewayv1.ListenerStatus(l))
	}
	after, changed := m.listening(existing, before, wanted)
	status := gatewayv1.ListenerSetStatus{Conditions: after.Conditions}
	for _, l := range after.Listeners {
		status.Listeners = append(status.Listeners, gatewayv1.ListenerEntryStatus(l))
	}
	return status, changed
}

// listenerSet adds Programmed to a ListenerSet and its listeners. g is what the
// proxies of its Gateway run, deployed how, nil where nothing is. Unlike a
// Gateway, it does not care for what Envoy rejects of others, and while Envoy has
// not answered what is new of one of them, the others stay as they are.
func listenerSet(s ir.ObjectStatus, g *ir.Gateway, live Live, deployed *ir.Deployment) Object {
	object := Object{ObjectStatus: s}
	var chains []string
	for _, l := range s.Listeners {
		chains = append(chains, l.Chains...)
	}
	live.Acknowledged = live.Acknowledged && live.SetsAcknowledged
	own := live
	own.Rejections = rejectionsOf(g, live.Rejections, chains)
	programmed := programmedOf(own)
	if deployed != nil {
		if no, found := unreachable(live, deployed); found && programmed.Reason != reasonInvalid {
			programmed = no
			programmed.Reason, programmed.Message = reasonParentNotProgrammed, bounded("Gateway "+s.Gateway.String()+": "+no.Message)
		}
	}
	if no, found := refusal(s.Conditions, conditionAccepted); found {
		programmed = no
		programmed.Reason = reasonOf(s.Conditions, conditionAccepted)
		if programmed.Reason == reasonParentNotAccepted {
			programmed.Reason = reasonParentNotProgrammed
		}
	}
	object.KeepProgrammed = programmed.Reason == reasonPending && (live.Settling || live.Connected > 0)
	object.Conditions = append(slices.Clone(s.Conditions), programmed)
	object.Listeners = listeners(s.Listeners, g, live)
	for _, l := range object.Listeners {
		if reason := reasonOf(l.Conditions, conditionAccepted); reason == reasonHostnameConflict || reason == reasonProtocolConflict {
			l.Conditions[len(l.Conditions)-1].Reason = reason
		}
	}
	return object
}

// reasonOf is the reason of a condition, empty where there is none of the type.
func reasonOf(conditions []ir.Condition, kind string) string {
	for _, c := range conditions {
		if c.Type == kind {
			return c.Reason
		}
	}
	return ""
}
