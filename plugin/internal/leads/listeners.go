package leads

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// passesThrough says whether no listener that the route can be of ends the
// client's TLS. Where listeners cannot be read, one may.
func passesThrough(ctx context.Context, reader client.Reader, route *gatewayv1.TLSRoute) bool {
	passes := false
	for _, parent := range route.Spec.ParentRefs {
		listeners, err := listenersOf(ctx, reader, route.Namespace, parent)
		if err != nil {
			return false
		}
		for _, listener := range listeners {
			if listener.Protocol != gatewayv1.TLSProtocolType || parent.SectionName != nil && *parent.SectionName != listener.Name ||
				parent.Port != nil && *parent.Port != listener.Port {
				continue
			}
			if listener.TLS == nil || listener.TLS.Mode == nil || *listener.TLS.Mode != gatewayv1.TLSModePassthrough {
				return false
			}
			passes = true
		}
	}
	return passes
}

// listenersOf are those of the Gateway or ListenerSet that a parentRef names.
func listenersOf(ctx context.Context, reader client.Reader, namespace string, parent gatewayv1.ParentReference) ([]gatewayv1.Listener, error) {
	key := client.ObjectKey{Namespace: namespace, Name: string(parent.Name)}
	if parent.Namespace != nil {
		key.Namespace = string(*parent.Namespace)
	}
	if parent.Kind != nil && *parent.Kind == "ListenerSet" {
		set := &gatewayv1.ListenerSet{}
		err := reader.Get(ctx, key, set)
		return ListenersOfSet(set), client.IgnoreNotFound(err)
	}
	gateway := &gatewayv1.Gateway{}
	err := reader.Get(ctx, key, gateway)
	return gateway.Spec.Listeners, client.IgnoreNotFound(err)
}

// ListenersOfSet are the entries of a ListenerSet as listeners.
func ListenersOfSet(set *gatewayv1.ListenerSet) []gatewayv1.Listener {
	listeners := make([]gatewayv1.Listener, 0, len(set.Spec.Listeners))
	for _, entry := range set.Spec.Listeners {
		listeners = append(listeners, gatewayv1.Listener(entry))
	}
	return listeners
}
