package scaffold

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Manifest is an object as it is printed, compared and applied: without
// status and without the fields that only the API server sets, so that all
// three are the same. The object must carry its apiVersion and kind.
func Manifest(object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("convert %T %s: %w", object, object.GetName(), err)
	}
	manifest := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
	if manifest.GetKind() == "" || manifest.GetAPIVersion() == "" {
		return nil, fmt.Errorf("convert %T %s: it has no apiVersion and kind", object, object.GetName())
	}
	unstructured.RemoveNestedField(manifest.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink"} {
		unstructured.RemoveNestedField(manifest.Object, "metadata", field)
	}
	return manifest, nil
}

// YAML is the objects as one stream of documents, each the bytes of its
// Manifest with sorted keys.
func YAML(objects []client.Object) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		manifest, err := Manifest(object)
		if err != nil {
			return nil, err
		}
		document, err := yaml.Marshal(manifest.Object)
		if err != nil {
			return nil, fmt.Errorf("marshal %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(document)
	}
	return out.Bytes(), nil
}
