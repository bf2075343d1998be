package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const own = gatewayv1.GatewayController("example.org/own")

func at(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }

func accepted(status ir.ConditionStatus, message string) ir.Condition {
	return ir.Condition{Type: "Accepted", Status: status, Reason: "Because", Message: message}
}

func written(status metav1.ConditionStatus, message string, generation, since int64) metav1.Condition {
	return metav1.Condition{
		Type: "Accepted", Status: status, Reason: "Because", Message: message,
		ObservedGeneration: generation, LastTransitionTime: at(since),
	}
}

func ancestor(name string, controller gatewayv1.GatewayController, conditions ...metav1.Condition) gatewayv1.PolicyAncestorStatus {
	return gatewayv1.PolicyAncestorStatus{
		AncestorRef: gatewayv1.ParentReference{Name: gatewayv1.ObjectName(name)}, ControllerName: controller, Conditions: conditions,
	}
}

func wantAncestor(name string, conditions ...ir.Condition) ir.AncestorStatus {
	return ir.AncestorStatus{Ancestor: ir.ParentRef{Name: name}, Conditions: conditions}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	const other = gatewayv1.GatewayController("example.org/other")
	foreign := ancestor("a", other, written("True", "theirs", 7, 1))
	for _, test := range []struct {
		name     string
		existing []gatewayv1.PolicyAncestorStatus
		wanted   []ir.AncestorStatus
		// want is nil where nothing is written.
		want []gatewayv1.PolicyAncestorStatus
	}{
		{
			name:   "first",
			wanted: []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "yes"))},
			want:   []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 2, 100))},
		},
		{
			name:     "the same again",
			existing: []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 2, 50))},
			wanted:   []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "yes"))},
		},
		{
			name:     "a new message keeps the transition time",
			existing: []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 1, 50))},
			wanted:   []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "still"))},
			want:     []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "still", 2, 50))},
		},
		{
			name:     "a new status is a transition",
			existing: []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 1, 50))},
			wanted:   []ir.AncestorStatus{wantAncestor("a", accepted(ir.False, "no"))},
			want:     []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("False", "no", 2, 100))},
		},
		{
			name:     "a new generation is written",
			existing: []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 1, 50))},
			wanted:   []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "yes"))},
			want:     []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 2, 50))},
		},
		{
			name:     "another controller's entry for the same ancestor stays",
			existing: []gatewayv1.PolicyAncestorStatus{foreign},
			wanted:   []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "yes"))},
			want:     []gatewayv1.PolicyAncestorStatus{foreign, ancestor("a", own, written("True", "yes", 2, 100))},
		},
		{
			name: "a stale entry goes, another controller's stays",
			existing: []gatewayv1.PolicyAncestorStatus{
				ancestor("gone", own, written("True", "yes", 2, 50)), foreign, ancestor("a", own, written("True", "yes", 2, 50)),
			},
			wanted: []ir.AncestorStatus{wantAncestor("a", accepted(ir.True, "yes"))},
			want:   []gatewayv1.PolicyAncestorStatus{foreign, ancestor("a", own, written("True", "yes", 2, 50))},
		},
		{
			name:     "nothing to say any more",
			existing: []gatewayv1.PolicyAncestorStatus{ancestor("a", own, written("True", "yes", 2, 50))},
			want:     []gatewayv1.PolicyAncestorStatus{},
		},
		{
			name:     "nothing to say about another controller's policy",
			existing: []gatewayv1.PolicyAncestorStatus{foreign},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := merger{controller: own, now: at(100)}
			wanted := &Object{ObjectStatus: ir.ObjectStatus{Generation: 2, Ancestors: test.wanted}}
			got, changed := m.policy(gatewayv1.PolicyStatus{Ancestors: test.existing}, wanted)
			if changed != (test.want != nil) {
				t.Fatalf("changed is %v", changed)
			}
			if !changed {
				return
			}
			if diff := cmp.Diff(gatewayv1.PolicyStatus{Ancestors: test.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, again := m.policy(got.(gatewayv1.PolicyStatus), wanted); again {
				t.Error("what was written is written again")
			}
		})
	}
}

func TestAncestorsAreLimited(t *testing.T) {
	t.Parallel()
	var existing []gatewayv1.PolicyAncestorStatus
	for i := range 10 {
		existing = append(existing, ancestor(fmt.Sprintf("their%d", i), "example.org/other", written("True", "", 1, 1)))
	}
	wanted := &Object{}
	for i := range 10 {
		wanted.Ancestors = append(wanted.Ancestors, wantAncestor(fmt.Sprintf("our%d", i), accepted(ir.True, "")))
	}
	m := merger{controller: own, now: at(100)}
	got, _ := m.policy(gatewayv1.PolicyStatus{Ancestors: existing}, wanted)
	status := got.(gatewayv1.PolicyStatus)
	if len(status.Ancestors) != maxAncestors || !cmp.Equal(status.Ancestors[:10], existing) {
		t.Errorf("got %d ancestors, want %d, beginning with the other controller's: %+v", len(status.Ancestors), maxAncestors, status.Ancestors)
	}
	for _, a := range status.Ancestors[10:] {
		if message := a.Conditions[0].Message; !strings.Contains(message, "no room for 4 more") {
			t.Errorf("%s does not say that others are left out: %q", a.AncestorRef.Name, message)
		}
	}
	if _, again := m.policy(status, wanted); again {
		t.Error("a full list is written again")
	}
	status.Ancestors = append(existing, existing[:7]...)
	if _, changed := m.policy(status, wanted); changed {
		t.Error("a list that others have filled is written")
	}
}

func TestRouteTellsParentsApart(t *testing.T) {
	t.Parallel()
	section := func(name string) *string { return &name }
	wanted := &Object{ObjectStatus: ir.ObjectStatus{Generation: 1, Parents: []ir.ParentStatus{
		{Parent: ir.ParentRef{Name: "g", SectionName: section("http")}, Conditions: []ir.Condition{accepted(ir.True, "yes")}},
		{Parent: ir.ParentRef{Name: "g", SectionName: section("https")}, Conditions: []ir.Condition{accepted(ir.False, "no")}},
	}}}
	first, changed := merger{controller: own, now: at(100)}.route(gatewayv1.RouteStatus{}, wanted)
	if !changed {
		t.Fatal("nothing is written")
	}
	wanted.Parents[0].Conditions[0].Message, wanted.Parents[1].Conditions[0].Message = "yes!", "no!"
	second, _ := merger{controller: own, now: at(200)}.route(first.(gatewayv1.RouteStatus), wanted)
	for i, p := range second.(gatewayv1.RouteStatus).Parents {
		if since := p.Conditions[0].LastTransitionTime; since != at(100) {
			t.Errorf("parent %d: transition time %v, want the first", i, since)
		}
	}
}
