package crd

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// testColumns writes status, and reads what kubectl get prints.
func testColumns(t *testing.T, c client.Client, config *rest.Config) {
	t.Helper()
	const condition = `lastTransitionTime: "2026-01-01T00:00:00Z", message: ""`
	tests := []struct {
		kind, resource, spec, status string
		columns                      []string
		cells                        []string
	}{
		{
			kind: v1alpha1.KindBackend, resource: "backends",
			spec:    `{type: Static, static: {hosts: [{host: example.com, port: 443}]}}`,
			status:  `{conditions: [{type: Accepted, status: "True", reason: Accepted, ` + condition + `}]}`,
			columns: []string{"Name", "Type", "Accepted", "Age"},
			cells:   []string{"Static", "True"},
		},
		{
			kind: v1alpha1.KindBackendConfigPolicy, resource: "backendconfigpolicies",
			spec: `{targetRefs: [{group: "", kind: Service, name: a}], connectTimeout: 1s}`,
			status: `{ancestors: [{ancestorRef: {name: http}, controllerName: tlsgw.dev/gateway-controller, conditions: [
{type: Accepted, status: "True", reason: Valid, ` + condition + `}, {type: Attached, status: "False", reason: Overridden, ` + condition + `}]}]}`,
			columns: []string{"Name", "Accepted", "Attached"},
			cells:   []string{"True", "False"},
		},
	}
	for _, test := range tests {
		object, err := create(t.Context(), t, c, test.kind, test.spec)
		if err != nil {
			t.Fatal(err)
		}
		var status map[string]any
		if err := yaml.UnmarshalStrict([]byte(test.status), &status); err != nil {
			t.Fatal(err)
		}
		object.Object["status"] = status
		if err := c.Status().Update(t.Context(), object); err != nil {
			t.Fatalf("write the status of a %s: %v", test.kind, err)
		}
		table, err := getTable(t.Context(), config, test.resource, object)
		if err != nil {
			t.Fatal(err)
		}
		var columns []string
		for _, column := range table.ColumnDefinitions {
			columns = append(columns, column.Name)
		}
		if diff := cmp.Diff(test.columns, columns); diff != "" {
			t.Errorf("columns of %s (-want +got):\n%s", test.resource, diff)
		}
		var cells []string
		for _, cell := range table.Rows[0].Cells[1 : 1+len(test.cells)] {
			cells = append(cells, fmt.Sprint(cell))
		}
		if diff := cmp.Diff(test.cells, cells); diff != "" {
			t.Errorf("cells of %s (-want +got):\n%s", test.resource, diff)
		}
	}
}

// getTable asks for an object as kubectl get does.
func getTable(ctx context.Context, config *rest.Config, resource string, object *unstructured.Unstructured) (*metav1.Table, error) {
	config = rest.CopyConfig(config)
	groupVersion := v1alpha1.SchemeGroupVersion()
	config.APIPath, config.GroupVersion = "/apis", &groupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme.Scheme).WithoutConversion()
	rests, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, err
	}
	answer, err := rests.Get().Namespace(object.GetNamespace()).Resource(resource).Name(object.GetName()).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	table := &metav1.Table{}
	return table, json.Unmarshal(answer, table)
}

// TestNames looks at how the definitions present themselves, without an API
// server.
func TestNames(t *testing.T) {
	t.Parallel()
	definitions, err := templates.KgatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{
		"app": "kgateway", "app.kubernetes.io/name": "kgateway", "app.kubernetes.io/managed-by": "kubectl-tlsgw",
	}
	policyLabels := map[string]string{"gateway.networking.k8s.io/policy": "Direct"}
	for key, value := range labels {
		policyLabels[key] = value
	}
	want := map[string]map[string]string{
		"backends.gateway.kgateway.dev":              labels,
		"backendconfigpolicies.gateway.kgateway.dev": policyLabels,
		"gatewayparameters.gateway.kgateway.dev":     labels,
	}
	got := map[string]map[string]string{}
	for _, definition := range definitions {
		got[definition.Name] = definition.Labels
		names, versions := definition.Spec.Names, definition.Spec.Versions
		if diff := cmp.Diff([]string{"kgateway"}, names.Categories); diff != "" {
			t.Errorf("categories of %s (-want +got):\n%s", definition.Name, diff)
		}
		if len(names.ShortNames) > 0 || definition.Spec.Scope != "Namespaced" {
			t.Errorf("%s: short names %q, scope %s", definition.Name, names.ShortNames, definition.Spec.Scope)
		}
		hasStatus := definition.Spec.Names.Kind != v1alpha1.KindGatewayParameters
		if len(versions) != 1 || versions[0].Name != "v1alpha1" || (versions[0].Subresources.Status != nil) != hasStatus {
			t.Errorf("%s: %d versions, status %t", definition.Name, len(versions), !hasStatus)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}
