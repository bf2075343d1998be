package originate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// chooseRoute fills in the route that --expose asks for.
func (r *run) chooseRoute(ctx context.Context) error {
	if r.o.Expose == "" {
		return nil
	}
	gateway, why, err := r.chooseGateway(ctx)
	if err != nil {
		return err
	}
	r.spec.Route = &scaffold.Route{
		Hostname: r.o.Expose, PathPrefix: r.o.PathPrefix, ServicePort: r.backend.port,
		GatewayNamespace: gateway.Namespace, GatewayName: gateway.Name,
	}
	r.decide("gateway", "%s/%s (%s)", gateway.Namespace, gateway.Name, why)
	if r.taken(gateway.Namespace, gateway.Spec.Listeners) {
		return nil
	}
	return r.chooseListenerSet(ctx, gateway)
}

func (r *run) chooseGateway(ctx context.Context) (*gatewayv1.Gateway, string, error) {
	if r.o.Gateway != "" {
		gateway, err := r.namedGateway(ctx)
		return gateway, "as given", err
	}
	all, err := r.gateways(ctx)
	if err != nil {
		return nil, "", err
	}
	switch len(all) {
	case 0:
		return nil, "", fail.Failed("the cluster has no Gateway to expose %s on", r.spec.Target).
			WithFix("create a Gateway, or: kubectl tlsgw dev-up")
	case 1:
		return &all[0], "the only one", nil
	}
	return nil, "", fail.Usage("the cluster has several Gateways: --gateway must say which").
		WithDetail("there are: %s", gatewayNames(all)).
		WithFix("%s", r.o.command.with("gateway", all[0].Namespace+"/"+all[0].Name))
}

func (r *run) namedGateway(ctx context.Context) (*gatewayv1.Gateway, error) {
	namespace, name, found := strings.Cut(r.o.Gateway, "/")
	if !found {
		namespace, name = r.spec.Namespace, r.o.Gateway
	}
	gateway := &gatewayv1.Gateway{}
	err := r.clients.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, gateway)
	if err == nil {
		return gateway, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, r.gatewayError(err)
	}
	failure := fail.Failed("gateway %s/%s does not exist", namespace, name)
	all, err := r.gateways(ctx)
	if err != nil || len(all) == 0 {
		return nil, failure.WithFix("create a Gateway, or: kubectl tlsgw dev-up")
	}
	return nil, failure.WithDetail("there are: %s", gatewayNames(all)).
		WithFix("%s", r.o.command.with("gateway", all[0].Namespace+"/"+all[0].Name))
}

func (r *run) gateways(ctx context.Context) ([]gatewayv1.Gateway, error) {
	var list gatewayv1.GatewayList
	if err := r.clients.Client.List(ctx, &list); err != nil {
		return nil, r.gatewayError(err)
	}
	return list.Items, nil
}

func (r *run) gatewayError(err error) error {
	if meta.IsNoMatchError(err) {
		return fail.Failed("the cluster does not serve Gateways").
			WithFix("kubectl tlsgw install    # it brings Gateway API too, v1.4 or later of which is needed")
	}
	if apierrors.IsForbidden(err) {
		return fail.Usage("Gateways may not be listed, so --gateway must say which: %w", err)
	}
	return r.clients.Explain(fmt.Errorf("look for Gateways: %w", err))
}

// chooseListenerSet looks for listeners that the Gateway has by a ListenerSet,
// and warns of a route that no listener will take.
func (r *run) chooseListenerSet(ctx context.Context, gateway *gatewayv1.Gateway) error {
	sets, err := r.listenerSets(ctx, gateway)
	if err != nil {
		return err
	}
	for i := range sets {
		set := &sets[i]
		if r.taken(set.Namespace, leads.ListenersOfSet(set)) {
			r.spec.Route.ListenerSetNamespace, r.spec.Route.ListenerSetName = set.Namespace, set.Name
			r.decide("listeners", "listenerset %s/%s (those of the Gateway itself take no routes for %s)", set.Namespace, set.Name, r.o.Expose)
			return nil
		}
	}
	found := &finding{
		message: fmt.Sprintf("gateway %s/%s has no HTTP or HTTPS listener that takes routes for %s from namespace %s",
			gateway.Namespace, gateway.Name, r.o.Expose, r.spec.Namespace),
		fix: fmt.Sprintf("kubectl get gateway -n %s %s -o yaml    # see listeners[].hostname and allowedRoutes", gateway.Namespace, gateway.Name),
	}
	if len(sets) > 0 {
		found.details = []string{fmt.Sprintf("nor has one of its ListenerSets, of which there are %d", len(sets))}
	}
	r.add(found)
	return nil
}

// listenerSets are those of a Gateway that it has not refused; where they may
// not be listed in all namespaces, those of the target's.
func (r *run) listenerSets(ctx context.Context, gateway *gatewayv1.Gateway) ([]gatewayv1.ListenerSet, error) {
	var list gatewayv1.ListenerSetList
	err := r.clients.Client.List(ctx, &list)
	if apierrors.IsForbidden(err) {
		err = r.clients.Client.List(ctx, &list, client.InNamespace(r.spec.Namespace))
	}
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, r.clients.Explain(fmt.Errorf("look for ListenerSets: %w", err))
	}
	var found []gatewayv1.ListenerSet
	for _, set := range list.Items {
		if gatewayOf(&set) == client.ObjectKeyFromObject(gateway) &&
			!meta.IsStatusConditionFalse(set.Status.Conditions, string(gatewayv1.ListenerSetConditionAccepted)) {
			found = append(found, set)
		}
	}
	return found, nil
}

// gatewayOf is the Gateway to which a ListenerSet adds.
func gatewayOf(set *gatewayv1.ListenerSet) client.ObjectKey {
	key := client.ObjectKey{Namespace: set.Namespace, Name: string(set.Spec.ParentRef.Name)}
	if namespace := set.Spec.ParentRef.Namespace; namespace != nil {
		key.Namespace = string(*namespace)
	}
	return key
}

// taken says whether one of the listeners, which are of an object of namespace,
// takes the route that --expose asks for.
func (r *run) taken(namespace string, listeners []gatewayv1.Listener) bool {
	return slices.ContainsFunc(listeners, func(listener gatewayv1.Listener) bool {
		return r.takesNamespace(namespace, &listener) && takesHostname(&listener, r.o.Expose)
	})
}

func (r *run) takesNamespace(namespace string, listener *gatewayv1.Listener) bool {
	if listener.Protocol != gatewayv1.HTTPProtocolType && listener.Protocol != gatewayv1.HTTPSProtocolType {
		return false
	}
	from := gatewayv1.NamespacesFromSame
	if allowed := listener.AllowedRoutes; allowed != nil && allowed.Namespaces != nil && allowed.Namespaces.From != nil {
		from = *allowed.Namespaces.From
	}
	return from != gatewayv1.NamespacesFromSame || namespace == r.spec.Namespace
}

// takesHostname says whether a route's hostname and a listener's overlap.
func takesHostname(listener *gatewayv1.Listener, hostname string) bool {
	if listener.Hostname == nil || *listener.Hostname == "" {
		return true
	}
	return covers(string(*listener.Hostname), hostname) || covers(hostname, string(*listener.Hostname))
}

// covers says whether a pattern with an optional leading wildcard, which
// stands for one or more labels, has name in it.
func covers(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(name, suffix)
	}
	return pattern == name
}

func gatewayNames(all []gatewayv1.Gateway) string {
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Namespace+"/"+all[i].Name)
	}
	return strings.Join(names, ", ")
}
