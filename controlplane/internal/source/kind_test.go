package source

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, gatewayv1.Install, gatewayv1beta1.Install, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// serving maps what an API server serves, but for the kinds left out, given as
// "KIND.VERSION".
func serving(scheme *runtime.Scheme, without ...string) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for gvk := range scheme.AllKnownTypes() {
		skip := false
		for _, kind := range without {
			skip = skip || gvk.Kind+"."+gvk.Version == kind
		}
		if !skip && gvk.Version != runtime.APIVersionInternal {
			mapper.Add(gvk, meta.RESTScopeNamespace)
		}
	}
	mapper.Add(definition().GetObjectKind().GroupVersionKind(), meta.RESTScopeRoot)
	return mapper
}

// TestEveryFieldOfASnapshotIsFilled finds a kind that was forgotten.
func TestEveryFieldOfASnapshotIsFilled(t *testing.T) {
	t.Parallel()
	s := &snapshot.Snapshot{}
	for _, k := range kinds() {
		k.object.SetName("things.gateway.networking.k8s.io")
		k.fill([]any{k.object})(s)
	}
	value := reflect.ValueOf(*s)
	for i := range value.NumField() {
		if value.Field(i).Len() != 1 {
			t.Errorf("no kind fills %s", value.Type().Field(i).Name)
		}
	}
}

// TestDefinitions: other CRDs say nothing of Gateway API.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	s := &snapshot.Snapshot{}
	var all []any
	for _, name := range []string{"httproutes.gateway.networking.k8s.io", "xmeshes.gateway.networking.x-k8s.io", "backends.gateway.kgateway.dev", "gateways.gateway.networking.k8s.io"} {
		all = append(all, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	gatewayAPI(all)(s)
	if len(s.Definitions) != 2 || s.Definitions[0].Name != "gateways.gateway.networking.k8s.io" || len(all) != 4 || all[3] == nil {
		t.Errorf("got %v of %v", s.Definitions, all)
	}
}

func TestFillSorts(t *testing.T) {
	t.Parallel()
	named := func(namespace, name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	s := &snapshot.Snapshot{}
	into(func(s *snapshot.Snapshot) *[]*corev1.Service { return &s.Services })([]any{
		named("b", "a"), named("a", "z"), named("a", "b"),
	})(s)
	var got []string
	for _, service := range s.Services {
		got = append(got, service.Namespace+"/"+service.Name)
	}
	if strings.Join(got, " ") != "a/b a/z b/a" {
		t.Errorf("got %v", got)
	}
}

func TestServed(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	found, err := served(serving(scheme), scheme)
	if err != nil || len(found) != len(kinds()) {
		t.Fatalf("%d kinds, %v", len(found), err)
	}

	found, err = served(serving(scheme, "ReferenceGrant.v1"), scheme)
	if err != nil {
		t.Fatalf("where ReferenceGrant is v1beta1: %v", err)
	}
	s := &snapshot.Snapshot{}
	for _, k := range found {
		if k.kind == "ReferenceGrant" {
			k.fill([]any{&gatewayv1beta1.ReferenceGrant{ObjectMeta: metav1.ObjectMeta{Name: "g"}}})(s)
		}
	}
	if len(s.ReferenceGrants) != 1 || s.ReferenceGrants[0].Name != "g" {
		t.Errorf("grants are %+v", s.ReferenceGrants)
	}

	_, err = served(serving(scheme, "BackendTLSPolicy.v1", "Backend.v1alpha1"), scheme)
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || !missing.GatewayAPI() || !missing.Own() {
		t.Fatalf("got %v", err)
	}
	for _, crd := range []string{"backendtlspolicies.gateway.networking.k8s.io (v1)", "backends.gateway.kgateway.dev (v1alpha1)"} {
		if !strings.Contains(err.Error(), crd) {
			t.Errorf("%q does not name %s", err, crd)
		}
	}
	_, err = served(serving(scheme, "Backend.v1alpha1"), scheme)
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.GatewayAPI() {
		t.Errorf("got %v", err)
	}
}

func TestKindsAreNamed(t *testing.T) {
	t.Parallel()
	scheme := newScheme(t)
	found, err := served(serving(scheme), scheme)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range found {
		if k.kind == "Backend" && (k.name != "backends.gateway.kgateway.dev" || k.group != v1alpha1.GroupName) {
			t.Errorf("Backend is %s of %s", k.name, k.group)
		}
	}
}
