package originate

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
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
	r.checkListeners(gateway)
	return nil
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

// checkListeners warns of a route that no listener will take.
func (r *run) checkListeners(gateway *gatewayv1.Gateway) {
	for _, listener := range gateway.Spec.Listeners {
		if r.takesNamespace(gateway, &listener) && takesHostname(&listener, r.o.Expose) {
			return
		}
	}
	r.add(&finding{
		message: fmt.Sprintf("gateway %s/%s has no HTTP or HTTPS listener that takes routes for %s from namespace %s",
			gateway.Namespace, gateway.Name, r.o.Expose, r.spec.Namespace),
		fix: fmt.Sprintf("kubectl get gateway -n %s %s -o yaml    # see listeners[].hostname and allowedRoutes", gateway.Namespace, gateway.Name),
	})
}

func (r *run) takesNamespace(gateway *gatewayv1.Gateway, listener *gatewayv1.Listener) bool {
	if listener.Protocol != gatewayv1.HTTPProtocolType && listener.Protocol != gatewayv1.HTTPSProtocolType {
		return false
	}
	from := gatewayv1.NamespacesFromSame
	if allowed := listener.AllowedRoutes; allowed != nil && allowed.Namespaces != nil && allowed.Namespaces.From != nil {
		from = *allowed.Namespaces.From
	}
	return from != gatewayv1.NamespacesFromSame || gateway.Namespace == r.spec.Namespace
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
