package status

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// route makes the parents of a route.
func (m merger) route(existing gatewayv1.RouteStatus, wanted *Object) (any, bool) {
	parents := list[gatewayv1.RouteParentStatus]{
		entries: existing.Parents,
		limit:   maxParents,
		read: func(p gatewayv1.RouteParentStatus) entry {
			return entry{p.ParentRef, p.ControllerName, p.Conditions}
		},
		write: func(e entry) gatewayv1.RouteParentStatus {
			return gatewayv1.RouteParentStatus{ParentRef: e.ref, ControllerName: e.controller, Conditions: e.conditions}
		},
	}
	var entries []wantedEntry
	for _, p := range wanted.Parents {
		entries = append(entries, wantedEntry{p.Parent, p.Conditions})
	}
	merged, changed := parents.merge(entries, m, wanted.Generation)
	return gatewayv1.RouteStatus{Parents: merged}, changed
}
