package translate

import (
	"fmt"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestLimited: Gateways and missing targets share the places of a status.
func TestLimited(t *testing.T) {
	t.Parallel()
	list := func(name string, n int) []ir.AncestorStatus {
		var all []ir.AncestorStatus
		for i := range n {
			all = append(all, ir.AncestorStatus{
				Ancestor: ir.ParentRef{Name: fmt.Sprintf("%s%d", name, i)}, Conditions: []ir.Condition{{Type: conditionAccepted, Message: "m"}},
			})
		}
		return all
	}
	for _, test := range []struct{ using, own, room, wantUsing, wantOwn int }{
		{16, 0, 16, 16, 0}, {0, 16, 16, 0, 16}, {8, 8, 16, 8, 8}, {17, 0, 16, 16, 0}, {17, 1, 16, 15, 1}, {20, 16, 16, 8, 8}, {2, 16, 16, 2, 14}, {12, 6, 16, 10, 6},
		{2, 0, 1, 1, 0}, {1, 1, 1, 1, 0}, {0, 2, 1, 0, 1}, {2, 2, 0, 0, 0}, {1, 0, -1, 0, 0}, {0, 0, 0, 0, 0},
	} {
		kept, listed := limited(list("g", test.using), list("t", test.own), test.room)
		using, own := 0, 0
		for _, a := range kept {
			if a.Ancestor.Name[0] == 'g' {
				using++
			} else {
				own++
			}
			if isCut := test.using+test.own > test.room; isCut != (a.Conditions[0].Message != "m") {
				t.Errorf("%+v: message %q", test, a.Conditions[0].Message)
			}
		}
		if using != listed || using != test.wantUsing || own != test.wantOwn {
			t.Errorf("%+v: kept %d Gateways and %d targets", test, using, own)
		}
	}
}
