package translate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// index finds the objects of a snapshot by what refers to them.
type index struct {
	// classes are those of this controller, by name.
	classes    map[string]*gatewayv1.GatewayClass
	namespaces map[string]*corev1.Namespace
	services   map[ir.Name]*corev1.Service
	backends   map[ir.Name]*v1alpha1.Backend
	secrets    map[ir.Name]*corev1.Secret
	configMaps map[ir.Name]*corev1.ConfigMap
	parameters map[ir.Name]*v1alpha1.GatewayParameters
	// endpointSlices are by the name of their Service.
	endpointSlices map[ir.Name][]*discoveryv1.EndpointSlice
	// grants are by namespace.
	grants   map[string][]*gatewayv1.ReferenceGrant
	policies *policyIndex
	// definitions are the metadata of Gateway API's CRDs.
	definitions []*metav1.PartialObjectMetadata
}

func newIndex(s *snapshot.Snapshot, controllerName string) *index {
	x := &index{
		classes:        map[string]*gatewayv1.GatewayClass{},
		namespaces:     map[string]*corev1.Namespace{},
		services:       byName(s.Services),
		backends:       byName(s.Backends),
		secrets:        byName(s.Secrets),
		configMaps:     byName(s.ConfigMaps),
		parameters:     byName(s.GatewayParameters),
		endpointSlices: map[ir.Name][]*discoveryv1.EndpointSlice{},
		grants:         map[string][]*gatewayv1.ReferenceGrant{},
		policies:       newPolicyIndex(s.BackendTLSPolicies, s.BackendConfigPolicies),
		definitions:    s.Definitions,
	}
	for _, class := range s.GatewayClasses {
		if string(class.Spec.ControllerName) == controllerName {
			x.classes[class.Name] = class
		}
	}
	for _, namespace := range s.Namespaces {
		x.namespaces[namespace.Name] = namespace
	}
	for _, slice := range s.EndpointSlices {
		service := ir.Name{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		x.endpointSlices[service] = append(x.endpointSlices[service], slice)
	}
	for _, grant := range s.ReferenceGrants {
		x.grants[grant.Namespace] = append(x.grants[grant.Namespace], grant)
	}
	return x
}

func byName[T client.Object](objects []T) map[ir.Name]T {
	m := make(map[ir.Name]T, len(objects))
	for _, object := range objects {
		m[nameOf(object)] = object
	}
	return m
}

func nameOf(object client.Object) ir.Name {
	return ir.Name{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// names are those of the Services or Backends of a namespace, sorted.
func (x *index) names(kind, namespace string) []ir.Name {
	var names []ir.Name
	add := func(name ir.Name) {
		if name.Namespace == namespace {
			names = append(names, name)
		}
	}
	switch kind {
	case kindService:
		for name := range x.services {
			add(name)
		}
	case kindBackend:
		for name := range x.backends {
			add(name)
		}
	}
	slices.SortFunc(names, ir.Name.Compare)
	return names
}
