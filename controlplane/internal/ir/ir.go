// Package ir is the intermediate representation between Kubernetes objects
// and Envoy resources: plain values that import neither. translate makes it,
// envoy and status read it, nobody changes it afterwards.
//
// Everything in it is sorted, so that equal input gives equal bytes. Values
// that are shared by several gateways (clusters, secrets) are pointers to the
// same immutable value.
package ir

import (
	"cmp"
)

// Result is the whole outcome of one translation.
type Result struct {
	// Gateways, by name. A Gateway that is not ours is not in it.
	Gateways []*Gateway
	// Deployments, by the name of the Gateway: one for each, or none at all
	// where the controller does not deploy the proxies.
	Deployments []*Deployment
	// Statuses say what each object's status must be, by kind and name.
	Statuses []ObjectStatus
	// PlaintextBackends are those that some route reaches without TLS, by
	// namespace and cluster: what the barrier of the controller asks about.
	PlaintextBackends []PlaintextEdge
	// TrustBundles are those of all policies, used by a Gateway or not, by
	// name: when a certificate in one of them expires, statuses change.
	TrustBundles []*Secret `json:"-"`
}

// PlaintextEdge is one backend port that routes reach without TLS.
type PlaintextEdge struct {
	Namespace string
	// Cluster is the StatName of the backend's cluster.
	Cluster string
	// Ways are what leads there, by kind and name: Gateways, ListenerSets, routes
	// and the backend itself.
	Ways []Ref
}

// Name is a namespaced name; Namespace is empty for cluster-scoped objects.
type Name struct{ Namespace, Name string }

// String gives namespace/name, or the name alone where there is no namespace.
func (n Name) String() string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "/" + n.Name
}

// Compare orders by namespace, then name.
func (n Name) Compare(o Name) int {
	return cmp.Or(cmp.Compare(n.Namespace, o.Namespace), cmp.Compare(n.Name, o.Name))
}

// Ref points to an object.
type Ref struct {
	Group, Kind string
	Name
}

// Gateway is what one Gateway's proxies run.
type Gateway struct {
	Name       Name
	Generation int64
	// ListenerSets changes with the ListenerSets that the Gateway allows, whose
	// generations it stands for; empty where there is none.
	ListenerSets string `json:"-"`
	// Listeners, by port.
	Listeners []Listener
	// Clusters, by name: only those that a route of this Gateway uses.
	Clusters []*Cluster
	// Secrets, by name: certificates of listeners, trust bundles and client
	// certificates that Listeners and Clusters name.
	Secrets []*Secret
}
