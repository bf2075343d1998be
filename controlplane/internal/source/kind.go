package source

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// kind is one watched kind and its part of the snapshots.
type kind struct {
	// object is of the type that is watched.
	object  client.Object
	options cache.ByObject
	// status: the controller writes the status of this kind.
	status bool
	// optional: the controller does without where the API server does not serve
	// this kind.
	optional bool
	// decides: this kind decides whether a policy targets a backend. leads:
	// objects of this kind lead to backends.
	decides, leads bool
	// fill sorts the store's objects and returns what puts them in a snapshot.
	fill func(objects []any) func(*snapshot.Snapshot)

	// group, kind and name ("backends.gateway.kgateway.dev") are looked up.
	group, kind, name string

	store toolscache.Store
	stale atomic.Bool
	// seen and put belong to the goroutine that delivers.
	seen string
	put  func(*snapshot.Snapshot)
}

// is tells whether ref is to an object of this kind.
func (k *kind) is(ref ir.Ref) bool { return k.kind == ref.Kind && k.group == ref.Group }

// counts tells whether Versions has this kind.
func (k *kind) counts() bool { return k.decides || k.leads }

// refresh reads the store again if it has changed.
func (k *kind) refresh() {
	if !k.stale.Swap(false) && k.put != nil {
		return
	}
	// Read before the objects: they are at least this new.
	k.seen = k.store.LastStoreSyncResourceVersion()
	k.put = k.fill(k.store.List())
}

// kinds are all kinds of a snapshot.
func kinds() []*kind {
	everything := cache.ByObject{Transform: trim}
	secrets := cache.ByObject{
		Transform: trim,
		// Helm keeps whole releases in Secrets; nothing refers to those, nor to
		// the proxies' own certificates.
		Field: fields.AndSelectors(
			fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
			fields.OneTermNotEqualSelector("type", contract.SecretTypeIdentity),
		),
	}
	configMaps := cache.ByObject{
		Transform: trim,
		// What replicas report to each other changes often and configures
		// nothing.
		Label: without(contract.LabelReplicaReport),
	}
	return []*kind{
		{object: &gatewayv1.GatewayClass{}, options: everything, status: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.GatewayClass { return &s.GatewayClasses })},
		{object: &gatewayv1.Gateway{}, options: everything, status: true, leads: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.Gateway { return &s.Gateways })},
		{object: &gatewayv1.ListenerSet{}, options: everything, status: true, optional: true, leads: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.ListenerSet { return &s.ListenerSets })},
		{object: &gatewayv1.HTTPRoute{}, options: everything, status: true, leads: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.HTTPRoute { return &s.HTTPRoutes })},
		{object: &gatewayv1.GRPCRoute{}, options: everything, status: true, optional: true, leads: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.GRPCRoute { return &s.GRPCRoutes })},
		{object: &gatewayv1.TLSRoute{}, options: everything, status: true, optional: true, leads: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.TLSRoute { return &s.TLSRoutes })},
		{object: &gatewayv1.ReferenceGrant{}, options: everything,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.ReferenceGrant { return &s.ReferenceGrants })},
		{object: &gatewayv1.BackendTLSPolicy{}, options: everything, status: true, decides: true,
			fill: into(func(s *snapshot.Snapshot) *[]*gatewayv1.BackendTLSPolicy { return &s.BackendTLSPolicies })},
		{object: &v1alpha1.Backend{}, options: everything, status: true, decides: true,
			fill: into(func(s *snapshot.Snapshot) *[]*v1alpha1.Backend { return &s.Backends })},
		{object: &v1alpha1.BackendConfigPolicy{}, options: everything, status: true, decides: true,
			fill: into(func(s *snapshot.Snapshot) *[]*v1alpha1.BackendConfigPolicy { return &s.BackendConfigPolicies })},
		{object: &v1alpha1.GatewayParameters{}, options: everything,
			fill: into(func(s *snapshot.Snapshot) *[]*v1alpha1.GatewayParameters { return &s.GatewayParameters })},
		{object: &corev1.Namespace{}, options: everything,
			fill: into(func(s *snapshot.Snapshot) *[]*corev1.Namespace { return &s.Namespaces })},
		{object: &corev1.Service{}, options: everything, decides: true,
			fill: into(func(s *snapshot.Snapshot) *[]*corev1.Service { return &s.Services })},
		{object: &discoveryv1.EndpointSlice{}, options: everything,
			fill: into(func(s *snapshot.Snapshot) *[]*discoveryv1.EndpointSlice { return &s.EndpointSlices })},
		{object: &corev1.Secret{}, options: secrets,
			fill: into(func(s *snapshot.Snapshot) *[]*corev1.Secret { return &s.Secrets })},
		{object: &corev1.ConfigMap{}, options: configMaps,
			fill: into(func(s *snapshot.Snapshot) *[]*corev1.ConfigMap { return &s.ConfigMaps })},
		{object: definition(), options: everything, fill: gatewayAPI},
	}
}

// definition is the metadata of a CRD, which is watched without the schema.
func definition() client.Object {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return o
}

// gatewayAPI keeps the definitions that are Gateway API's.
func gatewayAPI(objects []any) func(*snapshot.Snapshot) {
	return into(func(s *snapshot.Snapshot) *[]*metav1.PartialObjectMetadata { return &s.Definitions })(
		slices.DeleteFunc(slices.Clone(objects), func(object any) bool {
			crd, ok := object.(*metav1.PartialObjectMetadata)
			return !ok || !strings.HasSuffix(crd.Name, "."+gatewayv1.GroupName)
		}))
}

// without selects what does not have the label.
func without(label string) labels.Selector {
	requirement, err := labels.NewRequirement(label, selection.DoesNotExist, nil)
	if err != nil {
		// It is no label: nothing has it.
		return labels.Everything()
	}
	return labels.NewSelector().Add(*requirement)
}

// oldGrants watches ReferenceGrants where the API server does not serve v1:
// the two versions have the same fields.
func oldGrants() *kind {
	return &kind{object: &gatewayv1beta1.ReferenceGrant{}, options: cache.ByObject{Transform: trim},
		fill: func(objects []any) func(*snapshot.Snapshot) {
			grants := make([]any, 0, len(objects))
			for _, object := range objects {
				if grant, ok := object.(*gatewayv1beta1.ReferenceGrant); ok {
					grants = append(grants, (*gatewayv1.ReferenceGrant)(grant))
				}
			}
			return into(func(s *snapshot.Snapshot) *[]*gatewayv1.ReferenceGrant { return &s.ReferenceGrants })(grants)
		}}
}

func into[T client.Object](field func(*snapshot.Snapshot) *[]T) func([]any) func(*snapshot.Snapshot) {
	return func(objects []any) func(*snapshot.Snapshot) {
		sorted := make([]T, 0, len(objects))
		for _, object := range objects {
			if typed, ok := object.(T); ok {
				sorted = append(sorted, typed)
			}
		}
		slices.SortFunc(sorted, func(a, b T) int {
			return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
		})
		return func(s *snapshot.Snapshot) { *field(s) = sorted }
	}
}
