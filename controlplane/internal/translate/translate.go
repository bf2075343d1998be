// Package translate turns Kubernetes objects into the intermediate
// representation that Envoy's configuration and every status are made of.
//
// In goes a snapshot.Snapshot, out comes an ir.Result. Nothing else goes in:
// no context, clock, client or logger; the snapshot is not changed, and the
// same objects in any order give the same bytes. A bad object makes one
// listener, route or backend invalid, never the translation. A backend that a
// TLS policy targets is reached by TLS or not at all: where the policy is
// invalid, routes point to contract.InvalidCluster and Envoy answers 500, 503
// to gRPC, or closes the connection. The exception is TLS that a TLSRoute
// passes through: it is the client's own, which no policy wraps again, and it
// has clusters that get nothing else (see reach).
package translate

import (
	"cmp"
	"slices"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// Options are what a translation needs beside the objects.
type Options struct {
	// ControllerName selects the GatewayClasses that are served.
	ControllerName string
	// Now decides which CA certificates have expired.
	Now time.Time
	// SystemCAFile is the path, in the proxy, of the bundle that
	// wellKnownCACertificates: System stands for. When empty, policies that
	// ask for it are invalid.
	SystemCAFile string
	// AllowLoopback permits backends on loopback, link-local and unspecified
	// addresses. Only the local dev driver sets it: it would open Envoy's
	// admin port to whoever may write a Backend.
	AllowLoopback bool
	// Deploy: the controller deploys the proxies. Without it, parameters are
	// refused, and Result.Deployments is empty.
	Deploy bool
	// Memo is that of the translation before; nil where there is none.
	Memo *Memo
	// FileFolders are the folders of the proxy to which a
	// BackendConfigPolicy's tls.files may point. Nil is every folder.
	FileFolders []string
}

// Translate makes the configuration of all Gateways of the controller and the
// status of all objects that it serves.
func Translate(s *snapshot.Snapshot, o Options) *ir.Result {
	o.Memo.begin()
	t := newTranslation(s, o)
	for _, object := range s.Gateways {
		if t.objects.classes[string(object.Spec.GatewayClassName)] != nil {
			t.gateways[nameOf(object)] = t.newGateway(object)
		}
	}
	t.addListenerSets(s.ListenerSets)
	result := &ir.Result{}
	result.Statuses = append(result.Statuses, t.attachRoutes(s)...)
	for _, g := range t.gateways {
		result.Gateways = append(result.Gateways, g.configuration())
		if o.Deploy {
			result.Deployments = append(result.Deployments, g.deployed())
		}
	}
	for _, policy := range s.BackendTLSPolicies {
		result.Statuses = append(result.Statuses, t.backendTLSPolicyStatus(policy))
	}
	for _, policy := range s.BackendConfigPolicies {
		result.Statuses = append(result.Statuses, t.backendConfigPolicyStatus(policy))
	}
	for _, g := range t.gateways {
		result.Statuses = append(result.Statuses, g.status(t.unlisted[g.name]))
		for _, set := range g.sets {
			result.Statuses = append(result.Statuses, set.status())
		}
	}
	result.Statuses = append(result.Statuses, t.gatewayClassStatuses()...)
	result.Statuses = append(result.Statuses, t.backendStatuses()...)
	result.PlaintextBackends = plaintextEdges(t.gateways)
	for _, secret := range t.secrets {
		result.TrustBundles = append(result.TrustBundles, secret)
	}
	slices.SortFunc(result.TrustBundles, func(a, b *ir.Secret) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(result.Gateways, func(a, b *ir.Gateway) int { return a.Name.Compare(b.Name) })
	slices.SortFunc(result.Deployments, func(a, b *ir.Deployment) int { return a.Gateway.Compare(b.Gateway) })
	slices.SortFunc(result.Statuses, func(a, b ir.ObjectStatus) int { return compareRefs(a.Ref, b.Ref) })
	return result
}

// translation is the state of one Translate: what is looked up, and what has
// been worked out once for all that refer to it.
type translation struct {
	options  Options
	objects  *index
	gateways map[ir.Name]*gateway
	sets     map[ir.Name]*listenerSet

	backends       map[backendKey]*backend
	tlsPolicies    map[ir.Name]*tlsSettings
	configPolicies map[ir.Name]*configSettings
	// connections are what policies make of a backend's connections.
	connections map[ir.Ref]*merged
	// notes are remarks on policies that only a backend's cluster shows.
	notes    map[noteKey][]string
	bundles  map[source]parsedBundle
	keyPairs map[ir.Name]parsedKeyPair
	// secrets are the trust bundles by name.
	secrets map[string]*ir.Secret
	uses    uses
	// unlisted are the policies that take part in what a Gateway does, and whose
	// status has no room to say so.
	unlisted map[ir.Name][]ir.Ref
	// refusals are done when all routes are attached.
	refusals []func()
}

func newTranslation(s *snapshot.Snapshot, o Options) *translation {
	return &translation{
		options:        o,
		objects:        newIndex(s, o.ControllerName),
		gateways:       map[ir.Name]*gateway{},
		sets:           map[ir.Name]*listenerSet{},
		backends:       map[backendKey]*backend{},
		tlsPolicies:    map[ir.Name]*tlsSettings{},
		configPolicies: map[ir.Name]*configSettings{},
		connections:    map[ir.Ref]*merged{},
		notes:          map[noteKey][]string{},
		bundles:        map[source]parsedBundle{},
		keyPairs:       map[ir.Name]parsedKeyPair{},
		secrets:        map[string]*ir.Secret{},
		uses:           uses{},
		unlisted:       map[ir.Name][]ir.Ref{},
	}
}

// plaintextEdges are the backends that some Gateway reaches without TLS.
func plaintextEdges(gateways map[ir.Name]*gateway) []ir.PlaintextEdge {
	type backendPort struct{ namespace, cluster string }
	ways := map[backendPort][]ir.Ref{}
	for _, g := range gateways {
		for b, refs := range g.reached() {
			if b.cluster != nil && b.cluster.Plaintext() {
				port := backendPort{b.target.Namespace, b.cluster.StatName}
				ways[port] = append(append(ways[port], b.target, g.ref()), refs...)
			}
		}
	}
	edges := make([]ir.PlaintextEdge, 0, len(ways))
	for port, refs := range ways {
		slices.SortFunc(refs, compareRefs)
		edges = append(edges, ir.PlaintextEdge{Namespace: port.namespace, Cluster: port.cluster, Ways: slices.Compact(refs)})
	}
	slices.SortFunc(edges, func(a, b ir.PlaintextEdge) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Cluster, b.Cluster))
	})
	return edges
}

func compareRefs(a, b ir.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Group, b.Group), a.Compare(b.Name))
}
