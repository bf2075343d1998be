package status

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// conditions gives wanted the form of the API. A condition whose status does
// not change keeps its transition time.
func conditions(existing []metav1.Condition, wanted []ir.Condition, generation int64, now metav1.Time) []metav1.Condition {
	made := make([]metav1.Condition, 0, len(wanted))
	for _, w := range wanted {
		c := metav1.Condition{
			Type: w.Type, Status: metav1.ConditionStatus(w.Status), Reason: w.Reason, Message: w.Message,
			ObservedGeneration: generation, LastTransitionTime: now,
		}
		if old := find(existing, w.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		made = append(made, c)
	}
	return made
}

// keepRefused leaves Accepted=False as it stood for the same generation where
// it quotes Envoy.
func keepRefused(before, after []metav1.Condition) {
	old, made := find(before, conditionAccepted), find(after, conditionAccepted)
	if old != nil && made != nil && old.Status == metav1.ConditionFalse && made.Status == metav1.ConditionTrue &&
		old.ObservedGeneration == made.ObservedGeneration && strings.HasPrefix(old.Message, Rejected) {
		*made = *old
	}
}

func find(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}

// same compares what a status says, and not when it began to.
func same(a, b metav1.Condition) bool {
	a.LastTransitionTime, b.LastTransitionTime = metav1.Time{}, metav1.Time{}
	return a == b
}

func sameConditions(a, b []metav1.Condition) bool { return slices.EqualFunc(a, b, same) }
