package originate

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// leading is what is known of the route that leads to the backend.
type leading struct {
	// route is what requests can be made from: nil where there is none that
	// originate made.
	route *scaffold.Route
	// other is a route that somebody else made.
	other *leads.Route
	// unknown: routes could not be listed.
	unknown bool
}

func (l leading) String() string {
	switch {
	case l.unknown:
		return "Whether a route leads to it is not known: routes cannot be listed."
	case l.other == nil:
		return "No route leads to it yet: --expose HOSTNAME makes one."
	case l.other.PassesThrough:
		return l.other.Resource() + " passes the client's own TLS through to it, where no policy applies: --expose HOSTNAME makes a route where one does."
	case l.other.Copies:
		return l.other.Resource() + " copies requests to it."
	case l.other.HTTP == nil:
		return l.other.Resource() + " leads to it. (verify sends requests through HTTPRoutes only.)"
	}
	return l.other.Resource() + " leads to it."
}

// leadingRoute is the route that is being applied, else one that is there: one
// that originate made before others, and one where the policy applies before
// one where it does not. Where some routes cannot be listed, a better one than the
// best that is known may be among them.
func (r *run) leadingRoute(ctx context.Context) leading {
	if r.spec.Route != nil {
		return leading{route: r.spec.Route}
	}
	all, err := leads.Find(ctx, r.clients.Client, r.asReferred())
	var found leading
	for i := range all {
		one := &all[i]
		if one.HTTP != nil && one.Namespace == r.spec.Namespace {
			if made := r.madeRoute(ctx, one.HTTP); made != nil {
				return leading{route: made}
			}
		}
		if found.other == nil || rank(one) > rank(found.other) {
			found.other = one
		}
	}
	if err != nil && (found.other == nil || rank(found.other) < best) {
		return leading{unknown: true}
	}
	return found
}

// best is the highest rank.
const best = 2

// rank is higher for a route through which the policy is of more use.
func rank(route *leads.Route) int {
	switch {
	case route.PassesThrough:
		return 0
	case route.Copies:
		return 1
	}
	return best
}

// asReferred is the backend as routes refer to it.
func (r *run) asReferred() leads.Backend {
	if r.spec.Target.Kind == scaffold.Service {
		return leads.Backend{Kind: "Service", Namespace: r.spec.Namespace, Name: r.spec.Target.Name, Ports: []int32{r.backend.port}}
	}
	return leads.Backend{Group: v1alpha1.GroupName, Kind: v1alpha1.KindBackend, Namespace: r.spec.Namespace, Name: r.spec.BackendName()}
}

// madeRoute reads back a route that originate made for the target; nil for
// any other, as what requests it takes is not for us to guess.
func (r *run) madeRoute(ctx context.Context, route *gatewayv1.HTTPRoute) *scaffold.Route {
	spec := &route.Spec
	if route.Labels[contract.LabelOriginate] != r.spec.OriginateLabel() ||
		len(spec.Hostnames) != 1 || len(spec.ParentRefs) != 1 || len(spec.Rules) != 1 || len(spec.Rules[0].Matches) > 1 {
		return nil
	}
	made := &scaffold.Route{Hostname: string(spec.Hostnames[0]), ServicePort: r.backend.port}
	for _, match := range spec.Rules[0].Matches {
		if match.Path != nil && match.Path.Value != nil {
			made.PathPrefix = *match.Path.Value
		}
	}
	parent := client.ObjectKey{Namespace: route.Namespace, Name: string(spec.ParentRefs[0].Name)}
	if namespace := spec.ParentRefs[0].Namespace; namespace != nil {
		parent.Namespace = string(*namespace)
	}
	if kind := spec.ParentRefs[0].Kind; kind != nil && *kind == "ListenerSet" {
		set := &gatewayv1.ListenerSet{}
		if r.clients.Client.Get(ctx, parent, set) != nil {
			return nil
		}
		made.ListenerSetNamespace, made.ListenerSetName = parent.Namespace, parent.Name
		parent = gatewayOf(set)
	}
	made.GatewayNamespace, made.GatewayName = parent.Namespace, parent.Name
	return made
}
