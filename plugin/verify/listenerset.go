package verify

import (
	"context"
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
)

const (
	kindGateway     = "Gateway"
	kindListenerSet = "ListenerSet"
)

// place is what a parentRef names: a Gateway, or a ListenerSet of one.
type place struct {
	// namespace and name are the Gateway's; empty where the ListenerSet that
	// would name it does not exist.
	namespace, name string
	// of is the ListenerSet that the parentRef names, and set what it is; nil
	// where it names a Gateway, and set also where there is no such ListenerSet.
	of  *diagnose.ListenerSet
	set *gatewayv1.ListenerSet
}

// placeOf resolves a parentRef. It is nil for another kind.
func (w *world) placeOf(ctx context.Context, routeNamespace string, ref gatewayv1.ParentReference) (*place, error) {
	namespace, name := string(value(ref.Namespace, gatewayv1.Namespace(routeNamespace))), string(ref.Name)
	switch value(ref.Kind, kindGateway) {
	case kindGateway:
		return &place{namespace: namespace, name: name}, nil
	case kindListenerSet:
	default:
		return nil, nil
	}
	p, set := &place{of: &diagnose.ListenerSet{Namespace: namespace, Name: name}}, &gatewayv1.ListenerSet{}
	found, err := w.get(ctx, namespace, name, set)
	if err != nil {
		return nil, err
	}
	if !found {
		p.of.Missing = true
		return p, nil
	}
	parent := set.Spec.ParentRef
	p.set, p.namespace, p.name = set, string(value(parent.Namespace, gatewayv1.Namespace(namespace))), string(parent.Name)
	return p, nil
}

// listeners are those that the parentRef may name: of a ListenerSet the ones
// that its Gateway has taken.
func (p *place) listeners(gateway *gatewayv1.Gateway) []gatewayv1.Listener {
	if p.set == nil {
		return gateway.Spec.Listeners
	}
	var taken []gatewayv1.Listener
	for _, l := range p.set.Spec.Listeners {
		refused := slices.ContainsFunc(p.set.Status.Listeners, func(s gatewayv1.ListenerEntryStatus) bool {
			c := condition(s.Conditions, string(gatewayv1.ListenerEntryConditionAccepted))
			return s.Name == l.Name && c != nil && !c.True
		})
		if !refused {
			taken = append(taken, gatewayv1.Listener(l))
		}
	}
	return taken
}

// programmed tells whether requests can get in by a listener: its own status,
// where there is one, because a Gateway is not programmed when anything on it
// is not. name is the listener's then, and whole what the Gateway or the
// ListenerSet says.
func (p *place) programmed(gateway *gatewayv1.Gateway, listener *gatewayv1.Listener) (own, whole *diagnose.Condition, name string) {
	const programmed = string(gatewayv1.GatewayConditionProgrammed)
	conditions, statuses := gateway.Status.Conditions, gateway.Status.Listeners
	if p.set != nil {
		conditions, statuses = p.set.Status.Conditions, nil
		for _, s := range p.set.Status.Listeners {
			statuses = append(statuses, gatewayv1.ListenerStatus(s))
		}
	}
	whole = condition(conditions, programmed)
	for _, s := range statuses {
		if listener == nil || s.Name != listener.Name {
			continue
		}
		if own = condition(s.Conditions, programmed); own != nil {
			return own, whole, string(s.Name)
		}
	}
	return whole, whole, ""
}
