// Package envoy turns the intermediate representation of one Gateway into
// Envoy resources. In comes an ir.Gateway, out come validated listeners, route
// configurations, clusters, endpoints and secrets by name. It is pure: equal
// input gives equal bytes.
package envoy

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Options are what a deployment decides about all Gateways.
type Options struct {
	// ListenAddress is the address on which proxies listen. Empty means
	// "0.0.0.0".
	ListenAddress string
}

// Resources are the xDS resources of one Gateway by name. They are closed:
// each endpoint, route and secret is named by a cluster or listener in it, and
// each name that a cluster or listener refers to is in it. They must not be
// modified.
type Resources struct {
	Clusters  map[string]*clusterv3.Cluster
	Endpoints map[string]*endpointv3.ClusterLoadAssignment
	Listeners map[string]*listenerv3.Listener
	Routes    map[string]*routev3.RouteConfiguration
	Secrets   map[string]*tlsv3.Secret
}

// ResourceError says that one resource was left out of Resources, because
// Envoy would reject it.
type ResourceError struct {
	// Kind is "cluster", "endpoints", "listener", "route" or "secret".
	Kind string
	// Name is the name of the resource, or ir.Route.Name of a route.
	Name string
	Err  error
}

// Error names the resource.
func (e *ResourceError) Error() string {
	return fmt.Sprintf("build %s %q: %v", e.Kind, e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *ResourceError) Unwrap() error { return e.Err }

// Build makes the resources of one Gateway. The Resources are never nil and
// hold everything that is good; the error joins one *ResourceError for each
// resource that was left out (see Problems).
func Build(gw *ir.Gateway, o Options) (*Resources, error) {
	return &Resources{}, nil
}

// Problems lists the resource errors in an error of Build.
func Problems(err error) []*ResourceError {
	return nil
}
