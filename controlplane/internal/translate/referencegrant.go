package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// granted tells whether from may refer to to: always in its own namespace,
// elsewhere where a ReferenceGrant beside the referent says so.
func (x *index) granted(from, to ir.Ref) bool {
	if from.Namespace == to.Namespace {
		return true
	}
	for _, grant := range x.grants[to.Namespace] {
		if grantsFrom(grant, from) && grantsTo(grant, to) {
			return true
		}
	}
	return false
}

// refusal is the problem of a reference of a Gateway or ListenerSet that is
// not granted.
func (x *index) refusal(from, to ir.Ref) *problem {
	if x.granted(from, to) {
		return nil
	}
	return problemf(string(gatewayv1.ListenerReasonRefNotPermitted),
		"%s is in another namespace, and no ReferenceGrant there permits %ss of namespace %s to refer to it",
		describe(to), from.Kind, from.Namespace)
}

func grantsFrom(grant *gatewayv1.ReferenceGrant, from ir.Ref) bool {
	for _, f := range grant.Spec.From {
		if string(f.Group) == from.Group && string(f.Kind) == from.Kind && string(f.Namespace) == from.Namespace {
			return true
		}
	}
	return false
}

func grantsTo(grant *gatewayv1.ReferenceGrant, to ir.Ref) bool {
	for _, g := range grant.Spec.To {
		if string(g.Group) != to.Group || string(g.Kind) != to.Kind {
			continue
		}
		if g.Name == nil || *g.Name == "" || string(*g.Name) == to.Name.Name {
			return true
		}
	}
	return false
}
