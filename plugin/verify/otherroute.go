package verify

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
)

// otherRoute names a GRPCRoute or TLSRoute that leads to the backend, through
// the Gateway that was asked for; empty where there is none, or none may be
// read.
func (o *Options) otherRoute(ctx context.Context, w *world, s subject) (string, error) {
	routes, err := leads.Find(ctx, o.Clients.Client, s.asReferred())
	if err != nil && !apierrors.IsForbidden(err) {
		return "", o.Clients.Explain(err)
	}
	for _, route := range routes {
		if route.HTTP != nil || route.Copies {
			continue
		}
		if within, err := o.isThrough(ctx, w, route); err != nil || within {
			return route.Kind + " " + route.Namespace + "/" + route.Name, err
		}
	}
	return "", nil
}

// isThrough tells whether a route is of the Gateway that was asked for, if any
// was.
func (o *Options) isThrough(ctx context.Context, w *world, route leads.Route) (bool, error) {
	if o.GatewayName == "" {
		return true, nil
	}
	for _, ref := range route.Parents {
		p, err := w.placeOf(ctx, route.Namespace, ref)
		if err != nil {
			return false, err
		}
		if p != nil && o.through(p) {
			return true, nil
		}
	}
	return false, nil
}
