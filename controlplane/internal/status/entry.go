package status

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Routes and policies have a list of entries, one for each controller and
// parent or ancestor. The list is atomic: who writes it writes all of it, so
// it is read, changed and written back at the resource version that was read,
// and other controllers' entries are carried over as they are.

// The most entries that the API takes.
const (
	maxParents   = 32
	maxAncestors = 16
)

// entry is what RouteParentStatus and PolicyAncestorStatus have in common.
type entry struct {
	ref        gatewayv1.ParentReference
	controller gatewayv1.GatewayController
	conditions []metav1.Condition
}

func (e entry) equal(o entry) bool {
	return e.controller == o.controller && equality.Semantic.DeepEqual(e.ref, o.ref) && sameConditions(e.conditions, o.conditions)
}

// list is the list of entries of one kind of object.
type list[T any] struct {
	entries []T
	limit   int
	read    func(T) entry
	write   func(entry) T
}

// wantedEntry is an entry that the controller wants to have.
type wantedEntry struct {
	ref        ir.ParentRef
	conditions []ir.Condition
}

// merge puts the wanted entries of the controller in place of those that it
// has in the list. It is false when nothing changes.
func (l list[T]) merge(wanted []wantedEntry, m merger, generation int64) ([]T, bool) {
	var before, after []entry
	merged := make([]T, 0, len(l.entries)+len(wanted))
	for _, e := range l.entries {
		if known := l.read(e); known.controller == m.controller {
			before = append(before, known)
		} else {
			merged = append(merged, e)
		}
	}
	room := l.limit - len(merged)
	if left := len(wanted) - room; left > 0 {
		wanted = withNote(wanted[:max(room, 0)], fmt.Sprintf("other controllers' entries leave no room for %d more of this controller's", left))
	}
	for _, w := range wanted {
		e := entry{ref: parentReference(w.ref), controller: m.controller}
		var since []metav1.Condition
		if i := slices.IndexFunc(before, func(b entry) bool { return equality.Semantic.DeepEqual(b.ref, e.ref) }); i >= 0 {
			since = before[i].conditions
		}
		e.conditions = conditions(since, w.conditions, generation, m.now)
		if m.keepRefused {
			keepRefused(since, e.conditions)
		}
		after = append(after, e)
		merged = append(merged, l.write(e))
	}
	return merged, !slices.EqualFunc(before, after, entry.equal)
}

// withNote adds a remark to the messages of Accepted.
func withNote(entries []wantedEntry, note string) []wantedEntry {
	noted := slices.Clone(entries)
	for i := range noted {
		noted[i].conditions = slices.Clone(noted[i].conditions)
		for j, c := range noted[i].conditions {
			if c.Type == conditionAccepted {
				noted[i].conditions[j].Message = c.Message + "; " + note
			}
		}
	}
	return noted
}

func parentReference(r ir.ParentRef) gatewayv1.ParentReference {
	return gatewayv1.ParentReference{
		Group: convert[gatewayv1.Group](r.Group), Kind: convert[gatewayv1.Kind](r.Kind),
		Namespace: convert[gatewayv1.Namespace](r.Namespace), Name: gatewayv1.ObjectName(r.Name),
		SectionName: convert[gatewayv1.SectionName](r.SectionName), Port: r.Port,
	}
}

func convert[T ~string](s *string) *T {
	if s == nil {
		return nil
	}
	t := T(*s)
	return &t
}
