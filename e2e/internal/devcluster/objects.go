package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner stands for the person who types kubectl apply.
const fieldOwner = "kubectl-client-side-apply"

// yamlBuffer is how far the decoder looks for the start of a document.
const yamlBuffer = 4096

// Manifests reads the objects of a YAML file. ${NAME} stands for values[NAME];
// a name that has no value is an error.
func Manifests(file string, values map[string]string) ([]*unstructured.Unstructured, error) {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	objects, err := Decode(string(text), values)
	if err != nil {
		return nil, fmt.Errorf("read manifests %s: %w", file, err)
	}
	return objects, nil
}

// Decode is Manifests of a text.
func Decode(text string, values map[string]string) ([]*unstructured.Unstructured, error) {
	var missing []error
	expanded := os.Expand(text, func(name string) string {
		value, ok := values[name]
		if !ok {
			missing = append(missing, fmt.Errorf("${%s} has no value", name))
		}
		return value
	})
	if len(missing) > 0 {
		return nil, errors.Join(missing...)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(expanded)), yamlBuffer)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", len(objects)+1, err)
		}
		if len(object.Object) == 0 {
			continue // only comments
		}
		if object.GetNamespace() == "" && object.GetKind() != "Namespace" {
			object.SetNamespace("default")
		}
		objects = append(objects, object)
	}
}

// Apply applies objects in order, server-side.
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		// The answer is written into what is sent, and that must not be sent
		// again.
		sent := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := c.Client.Apply(ctx, sent, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s: %w", Name(object), err)
		}
	}
	return nil
}

// Delete deletes objects, last first; those that are gone already do not
// count.
func (c *Cluster) Delete(ctx context.Context, objects ...*unstructured.Unstructured) error {
	var failures []error
	for i := range objects {
		object := objects[len(objects)-1-i]
		if object.GetKind() == "Namespace" {
			continue // nobody finalizes namespaces here
		}
		if err := client.IgnoreNotFound(c.Client.Delete(ctx, object.DeepCopy())); err != nil {
			failures = append(failures, fmt.Errorf("delete %s: %w", Name(object), err))
		}
	}
	return errors.Join(failures...)
}

// Name is KIND NAMESPACE/NAME, for messages.
func Name(object client.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind + " " +
		strings.TrimPrefix(client.ObjectKeyFromObject(object).String(), "/")
}
