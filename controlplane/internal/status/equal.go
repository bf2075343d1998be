package status

import (
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// equal tells whether two statuses ask for the same. It is called for every
// object on every change, so it does without reflection.
func (o Object) equal(p Object) bool {
	return o.Ref == p.Ref && o.uid == p.uid && o.Generation == p.Generation && slices.Equal(o.Addresses, p.Addresses) && o.KeepProgrammed == p.KeepProgrammed && o.KeepRefused == p.KeepRefused &&
		slices.Equal(o.Conditions, p.Conditions) && slices.Equal(o.Features, p.Features) &&
		pointsToSame(o.AttachedListenerSets, p.AttachedListenerSets) &&
		slices.EqualFunc(o.Listeners, p.Listeners, equalListeners) &&
		slices.EqualFunc(o.Parents, p.Parents, func(a, b ir.ParentStatus) bool {
			return equalParents(a.Parent, b.Parent) && slices.Equal(a.Conditions, b.Conditions)
		}) &&
		slices.EqualFunc(o.Ancestors, p.Ancestors, func(a, b ir.AncestorStatus) bool {
			return equalParents(a.Ancestor, b.Ancestor) && slices.Equal(a.Conditions, b.Conditions)
		})
}

func equalListeners(a, b ir.ListenerStatus) bool {
	return a.Name == b.Name && a.AttachedRoutes == b.AttachedRoutes &&
		slices.Equal(a.SupportedKinds, b.SupportedKinds) && slices.Equal(a.Conditions, b.Conditions)
}

func equalParents(a, b ir.ParentRef) bool {
	return a.Name == b.Name && pointsToSame(a.Group, b.Group) && pointsToSame(a.Kind, b.Kind) &&
		pointsToSame(a.Namespace, b.Namespace) && pointsToSame(a.SectionName, b.SectionName) && pointsToSame(a.Port, b.Port)
}

func pointsToSame[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
