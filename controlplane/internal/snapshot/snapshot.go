// Package snapshot holds the Kubernetes objects that one translation sees:
// an immutable, sorted set. source makes it from the caches, tests and the
// translate command make it from manifests; translate reads it and changes
// nothing in it.
package snapshot

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// Snapshot is every object that the controller serves, each kind sorted by
// namespace and name. Its objects must not be modified.
type Snapshot struct {
	GatewayClasses        []*gatewayv1.GatewayClass
	Gateways              []*gatewayv1.Gateway
	ListenerSets          []*gatewayv1.ListenerSet
	HTTPRoutes            []*gatewayv1.HTTPRoute
	GRPCRoutes            []*gatewayv1.GRPCRoute
	TLSRoutes             []*gatewayv1.TLSRoute
	ReferenceGrants       []*gatewayv1.ReferenceGrant
	BackendTLSPolicies    []*gatewayv1.BackendTLSPolicy
	Backends              []*v1alpha1.Backend
	BackendConfigPolicies []*v1alpha1.BackendConfigPolicy
	GatewayParameters     []*v1alpha1.GatewayParameters
	Namespaces            []*corev1.Namespace
	Services              []*corev1.Service
	EndpointSlices        []*discoveryv1.EndpointSlice
	Secrets               []*corev1.Secret
	ConfigMaps            []*corev1.ConfigMap
	// Definitions are the metadata of Gateway API's CRDs. Manifests need not
	// have them.
	Definitions []*metav1.PartialObjectMetadata
}

// New sorts objects into a Snapshot. An object of a kind that the controller
// does not serve is an error that names it.
func New(objects []client.Object) (*Snapshot, error) {
	s := &Snapshot{}
	for _, object := range objects {
		if !s.add(object) {
			return nil, fmt.Errorf("%T %s: the controller does not serve this kind", object, client.ObjectKeyFromObject(object))
		}
	}
	s.sort()
	return s, nil
}

func (s *Snapshot) add(object client.Object) bool {
	return s.addGatewayAPI(object) || s.addOther(object)
}

func (s *Snapshot) addGatewayAPI(object client.Object) bool {
	switch o := object.(type) {
	case *gatewayv1.GatewayClass:
		s.GatewayClasses = append(s.GatewayClasses, o)
	case *gatewayv1.Gateway:
		s.Gateways = append(s.Gateways, o)
	case *gatewayv1.ListenerSet:
		s.ListenerSets = append(s.ListenerSets, o)
	case *gatewayv1.HTTPRoute:
		s.HTTPRoutes = append(s.HTTPRoutes, o)
	case *gatewayv1.GRPCRoute:
		s.GRPCRoutes = append(s.GRPCRoutes, o)
	case *gatewayv1.TLSRoute:
		s.TLSRoutes = append(s.TLSRoutes, o)
	case *gatewayv1.ReferenceGrant:
		s.ReferenceGrants = append(s.ReferenceGrants, o)
	case *gatewayv1.BackendTLSPolicy:
		s.BackendTLSPolicies = append(s.BackendTLSPolicies, o)
	default:
		return false
	}
	return true
}

func (s *Snapshot) addOther(object client.Object) bool {
	switch o := object.(type) {
	case *v1alpha1.Backend:
		s.Backends = append(s.Backends, o)
	case *v1alpha1.BackendConfigPolicy:
		s.BackendConfigPolicies = append(s.BackendConfigPolicies, o)
	case *v1alpha1.GatewayParameters:
		s.GatewayParameters = append(s.GatewayParameters, o)
	case *corev1.Namespace:
		s.Namespaces = append(s.Namespaces, o)
	case *corev1.Service:
		s.Services = append(s.Services, o)
	case *discoveryv1.EndpointSlice:
		s.EndpointSlices = append(s.EndpointSlices, o)
	case *corev1.Secret:
		s.Secrets = append(s.Secrets, o)
	case *corev1.ConfigMap:
		s.ConfigMaps = append(s.ConfigMaps, o)
	default:
		return false
	}
	return true
}

func (s *Snapshot) sort() {
	sortByName(s.GatewayClasses)
	sortByName(s.Gateways)
	sortByName(s.ListenerSets)
	sortByName(s.HTTPRoutes)
	sortByName(s.GRPCRoutes)
	sortByName(s.TLSRoutes)
	sortByName(s.ReferenceGrants)
	sortByName(s.BackendTLSPolicies)
	sortByName(s.Backends)
	sortByName(s.BackendConfigPolicies)
	sortByName(s.GatewayParameters)
	sortByName(s.Namespaces)
	sortByName(s.Services)
	sortByName(s.EndpointSlices)
	sortByName(s.Secrets)
	sortByName(s.ConfigMaps)
}

func sortByName[T client.Object](objects []T) {
	slices.SortFunc(objects, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
}
