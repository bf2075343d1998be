package envoy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// TestEveryEnumerationIsTried holds the cases to the schema: each value of each
// enumeration occurs in one that the controller and Envoy must take, or in a
// Backend that the controller refuses.
func TestEveryEnumerationIsTried(t *testing.T) {
	t.Parallel()
	definitions, err := templates.KgatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	tried := triedValues(t)
	enumerations := 0
	for _, definition := range definitions {
		kind := definition.Spec.Names.Kind
		if kind != v1alpha1.KindBackend && kind != v1alpha1.KindBackendConfigPolicy {
			continue
		}
		spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		for leaf := range leaves(kind, &spec) {
			enumerations++
			if !tried[leaf] {
				t.Errorf("no case has %s: add it to allPolicies", leaf)
			}
		}
	}
	const fewest = 30
	if enumerations < fewest {
		t.Errorf("the schemas have %d values of enumerations", enumerations)
	}
}

// leaves are the values of enumerations below a field, as "path=value".
func leaves(path string, schema *apiextensionsv1.JSONSchemaProps) map[string]bool {
	found := map[string]bool{}
	for _, value := range schema.Enum {
		found[path+"="+string(value.Raw)] = true
	}
	for name, field := range schema.Properties {
		maps.Copy(found, leaves(path+"."+name, &field))
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		maps.Copy(found, leaves(path+"[]", schema.Items.Schema))
	}
	return found
}

// triedValues are all values of the cases that must be taken, and the types of
// Backends that are not served.
func triedValues(t *testing.T) map[string]bool {
	t.Helper()
	tried := map[string]bool{}
	add := func(kind string, spec any) {
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		flatten(tried, kind, tree)
	}
	for i, c := range allPolicies() {
		if c.refused != "" {
			continue
		}
		var spec any
		if err := yaml.Unmarshal([]byte(c.spec), &spec); err != nil {
			t.Fatal(err)
		}
		add(v1alpha1.KindBackendConfigPolicy, spec)
		parts, _ := backendOf(t, metav1.ObjectMeta{Name: policyName(i)}, c, 1)
		if backend, ok := parts[0].(*v1alpha1.Backend); ok {
			add(v1alpha1.KindBackend, backend.Spec)
		}
	}
	for _, refused := range unserved(t) {
		add(v1alpha1.KindBackend, v1alpha1.BackendSpec{Type: refused})
	}
	return tried
}

// flatten adds the leaves of a tree.
func flatten(tried map[string]bool, path string, node any) {
	switch n := node.(type) {
	case map[string]any:
		for name, child := range n {
			flatten(tried, path+"."+name, child)
		}
	case []any:
		for _, child := range n {
			flatten(tried, path+"[]", child)
		}
	default:
		text, _ := json.Marshal(n) // It came from JSON.
		tried[path+"="+string(text)] = true
	}
}

// unserved are the types of Backends that the controller says it refuses.
func unserved(t *testing.T) []v1alpha1.BackendType {
	t.Helper()
	types := []v1alpha1.BackendType{
		v1alpha1.BackendTypeAWS, v1alpha1.BackendTypeDynamicForwardProxy, v1alpha1.BackendTypeGCP, v1alpha1.BackendTypeAI, v1alpha1.BackendTypeMCP,
	}
	var cases []policyCase
	for _, one := range types {
		cases = append(cases, policyCase{
			backend: fmt.Sprintf("{type: %s, static: {hosts: [{host: 127.0.0.1, port: 1}]}}", one), spec: "connectTimeout: 1s",
		})
	}
	result := translated(t, cases)
	return slices.DeleteFunc(types, func(one v1alpha1.BackendType) bool {
		for _, status := range result.Statuses {
			if status.Kind == v1alpha1.KindBackend && status.Name.Name == policyName(slices.Index(types, one)) {
				return status.Conditions[0].Status == "True"
			}
		}
		return true
	})
}
