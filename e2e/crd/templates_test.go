package crd

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// testTemplates applies all that templates renders, and then looks what the
// controller's account may do.
func testTemplates(t *testing.T, c client.Client, config *rest.Config) {
	t.Helper()
	controller, err := templates.ControllerAccess()
	apply(t, c, controller, err)
	gateway, err := templates.Gateway(templates.GatewayValues{
		Port: contract.DevHTTPPort, Annotations: map[string]string{contract.AnnotationEnvoyAdmin: "127.0.0.1:19000"},
	})
	apply(t, c, gateway, err)
	sample, err := templates.LocalSample(templates.LocalSampleValues{Host: "nginx.localhost", Port: 28443, CA: "a"})
	apply(t, c, sample, err)

	config = rest.CopyConfig(config)
	config.Impersonate.UserName = "system:serviceaccount:" + contract.SystemNamespace + ":" + contract.ControllerServiceAccount
	config.Impersonate.Groups = []string{"system:serviceaccounts", "system:authenticated"}
	account, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	testRights(t, account, gateway)
}

func apply(t *testing.T, c client.Client, objects []client.Object, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		manifest, ok := object.DeepCopyObject().(*unstructured.Unstructured)
		if !ok {
			t.Fatalf("%s is %T", object.GetName(), object)
		}
		err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest), client.FieldOwner(contract.FieldManager))
		if err != nil {
			t.Fatalf("apply %s %s: %v", manifest.GetKind(), manifest.GetName(), err)
		}
	}
}

// testRights lists what the controller reads, writes a status, and tries what
// the controller must not.
func testRights(t *testing.T, account client.Client, gateway []client.Object) {
	t.Helper()
	for kind, group := range map[string]metav1.GroupVersion{
		"ConfigMap":           {Version: "v1"},
		"Namespace":           {Version: "v1"},
		"Secret":              {Version: "v1"},
		"Service":             {Version: "v1"},
		"EndpointSlice":       {Group: "discovery.k8s.io", Version: "v1"},
		"GatewayClass":        {Group: "gateway.networking.k8s.io", Version: "v1"},
		"Gateway":             {Group: "gateway.networking.k8s.io", Version: "v1"},
		"HTTPRoute":           {Group: "gateway.networking.k8s.io", Version: "v1"},
		"ReferenceGrant":      {Group: "gateway.networking.k8s.io", Version: "v1"},
		"BackendTLSPolicy":    {Group: "gateway.networking.k8s.io", Version: "v1"},
		"Backend":             {Group: "gateway.kgateway.dev", Version: "v1alpha1"},
		"BackendConfigPolicy": {Group: "gateway.kgateway.dev", Version: "v1alpha1"},
		"GatewayParameters":   {Group: "gateway.kgateway.dev", Version: "v1alpha1"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(group.String())
		list.SetKind(kind + "List")
		if err := account.List(t.Context(), list); err != nil {
			t.Errorf("list %s: %v", kind, err)
		}
	}
	for _, object := range gateway {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"addresses":[{"value":"127.0.0.1"}]}}`))
		switch err := account.Status().Patch(t.Context(), object, patch); {
		case object.GetObjectKind().GroupVersionKind().Kind == "Gateway" && err != nil:
			t.Errorf("write the status of a Gateway: %v", err)
		case object.GetObjectKind().GroupVersionKind().Kind == "Namespace" && !apierrors.IsForbidden(err):
			t.Errorf("write the status of a Namespace: %v, want forbidden", err)
		}
		if err := account.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))); !apierrors.IsForbidden(err) {
			t.Errorf("write to %s: %v, want forbidden", object.GetName(), err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}}
	if err := account.Create(t.Context(), secret); !apierrors.IsForbidden(err) {
		t.Errorf("create a Secret: %v, want forbidden", err)
	}
}
