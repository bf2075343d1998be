package status

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// policy makes the ancestors of a policy.
func (m merger) policy(existing gatewayv1.PolicyStatus, wanted *Object) (any, bool) {
	ancestors := list[gatewayv1.PolicyAncestorStatus]{
		entries: existing.Ancestors,
		limit:   maxAncestors,
		read: func(a gatewayv1.PolicyAncestorStatus) entry {
			return entry{a.AncestorRef, a.ControllerName, a.Conditions}
		},
		write: func(e entry) gatewayv1.PolicyAncestorStatus {
			return gatewayv1.PolicyAncestorStatus{AncestorRef: e.ref, ControllerName: e.controller, Conditions: e.conditions}
		},
	}
	var entries []wantedEntry
	for _, a := range wanted.Ancestors {
		entries = append(entries, wantedEntry{a.Ancestor, a.Conditions})
	}
	merged, changed := ancestors.merge(entries, m, wanted.Generation)
	return gatewayv1.PolicyStatus{Ancestors: merged}, changed
}
