package controlplane_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const classManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tlsgw}
spec: {controllerName: tlsgw.dev/gateway-controller}`

// typed are the objects of YAML documents.
func typed(t *testing.T, manifests ...string) []client.Object {
	t.Helper()
	scheme, err := controlplane.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	for _, manifest := range manifests {
		untyped := parse(t, "%s", manifest)[0]
		object, err := scheme.New(untyped.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(untyped.Object, object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object.(client.Object))
	}
	return objects
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "backends")
	objects := typed(t,
		classManifest,
		fmt.Sprintf(namespaceManifest, "infra"),
		fmt.Sprintf(gatewayManifest, "infra", 8080),
		fmt.Sprintf(caManifest, "infra", ca.PEM),
		fmt.Sprintf(strings.ReplaceAll(backendManifest, "127.0.0.1", "192.0.2.1"), "infra", "b", 8443),
		fmt.Sprintf(policyManifest, "infra", "b"),
		fmt.Sprintf(routeManifest, "infra", "b", "infra"),
	)
	got, err := controlplane.Translate(objects, controlplane.TranslationOptions{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Gateways) != 1 || len(got.Gateways[0].LeftOut) > 0 || got.Gateways[0].Name != "http" {
		t.Fatalf("got %+v", got.Gateways)
	}
	config, err := json.Marshal(got.Gateways[0].Resources)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"backend_infra_b_0", "example.com", "b.infra.example", "192.0.2.1"} {
		if !strings.Contains(string(config), want) {
			t.Errorf("the configuration lacks %q: %s", want, config)
		}
	}
	statuses := 0
	for _, object := range got.Objects {
		if len(conditionsOf(object)) == 0 {
			t.Errorf("%T %s has no status", object, object.GetName())
		}
		statuses++
		if gateway, ok := object.(*gatewayv1.Gateway); ok && !meta.IsStatusConditionFalse(gateway.Status.Conditions, "Programmed") {
			t.Errorf("no proxy has answered, and the Gateway says %+v", gateway.Status)
		}
	}
	if statuses != 5 {
		t.Errorf("%d objects have a status, want 5", statuses)
	}
	for _, object := range objects {
		if len(conditionsOf(object)) > 0 {
			t.Errorf("%T was changed", object)
		}
	}
}

func conditionsOf(object client.Object) []metav1.Condition {
	untyped, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil
	}
	encoded, _ := json.Marshal(untyped["status"])
	var status struct {
		Conditions         []metav1.Condition
		Parents, Ancestors []struct{ Conditions []metav1.Condition }
	}
	_ = json.Unmarshal(encoded, &status)
	for _, entry := range append(status.Parents, status.Ancestors...) {
		status.Conditions = append(status.Conditions, entry.Conditions...)
	}
	return status.Conditions
}

func TestTranslateRefusesOtherKinds(t *testing.T) {
	t.Parallel()
	_, err := controlplane.Translate([]client.Object{&metav1.PartialObjectMetadata{}}, controlplane.TranslationOptions{}, time.Now())
	if err == nil || !strings.Contains(err.Error(), "does not serve this kind") {
		t.Errorf("got %v", err)
	}
}
