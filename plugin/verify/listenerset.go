package verify

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	kindGateway     = "Gateway"
	kindListenerSet = "ListenerSet"
)

// place is what a parentRef names: a Gateway, or a ListenerSet of one.
type place struct {
	namespace, name string
	set             *gatewayv1.ListenerSet
	// lost: the ListenerSet of this name does not exist.
	lost bool
}

// placeOf resolves a parentRef. It is nil for another kind.
func (w *world) placeOf(ctx context.Context, routeNamespace string, ref gatewayv1.ParentReference) (*place, error) {
	p := &place{namespace: string(value(ref.Namespace, gatewayv1.Namespace(routeNamespace))), name: string(ref.Name)}
	switch value(ref.Kind, kindGateway) {
	case kindGateway:
		return p, nil
	case kindListenerSet:
	default:
		return nil, nil
	}
	p.set = &gatewayv1.ListenerSet{}
	found, err := w.get(ctx, p.namespace, p.name, p.set)
	if err != nil {
		return nil, err
	}
	if !found {
		p.lost = true
		return p, nil
	}
	parent := p.set.Spec.ParentRef
	p.namespace, p.name = string(value(parent.Namespace, gatewayv1.Namespace(p.namespace))), string(parent.Name)
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

// programmed are the conditions that tell whether requests can get in. A
// Gateway whose own listeners are not in order can serve those of a ListenerSet.
func (p *place) programmed(gateway *gatewayv1.Gateway) []metav1.Condition {
	if p.set != nil {
		return p.set.Status.Conditions
	}
	return gateway.Status.Conditions
}
