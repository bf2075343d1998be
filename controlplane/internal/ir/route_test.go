package ir_test

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestRouteOwner finds the object that a route's name was made of: statuses
// depend on it. A name of Kubernetes may hold dots, never a colon or a slash.
func TestRouteOwner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		owner ir.Ref
		name  string
	}{
		{ir.Ref{Kind: "HTTPRoute", Name: ir.Name{Namespace: "default", Name: "a.b"}}, "default/a.b/rule/1/match/2"},
		{ir.Ref{Kind: "GRPCRoute", Name: ir.Name{Namespace: "rule", Name: "match"}}, "GRPCRoute:rule/match/rule/1/match/2"},
	} {
		if got := ir.RouteName(c.owner, 1, 2); got != c.name {
			t.Errorf("got name %q, want %q", got, c.name)
		}
		kind, name, ok := ir.RouteOwner(c.name)
		if !ok || kind != c.owner.Kind || name != c.owner.Name {
			t.Errorf("%s: got %s %s, %t", c.name, kind, name, ok)
		}
	}
	if _, _, ok := ir.RouteOwner("refused"); ok {
		t.Error("a name without an object has an owner")
	}
}
