package templates

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

//go:embed manifests
var manifests embed.FS

// render fills values into a file of manifests and reads the objects in it.
func render(name string, values any) ([]client.Object, error) {
	file, err := template.New(name+".yaml").
		Option("missingkey=error").
		Funcs(template.FuncMap{"json": asJSON}).
		ParseFS(manifests, "manifests/"+name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("parse template %s: %w", name, err)
	}
	var rendered bytes.Buffer
	if err := file.Execute(&rendered, values); err != nil {
		return nil, fmt.Errorf("render template %s: %w", name, err)
	}
	objects, err := decode(&rendered)
	if err != nil {
		return nil, fmt.Errorf("decode template %s: %w", name, err)
	}
	return objects, nil
}

// asJSON writes a value as JSON, which is YAML that nothing can break out of.
func asJSON(value any) (string, error) {
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

// decode reads objects from YAML documents.
func decode(r io.Reader) ([]client.Object, error) {
	var objects []client.Object
	documents := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d: %w", len(objects)+1, err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
			return nil, fmt.Errorf("document %d: %w", len(objects)+1, err)
		}
		if object.GetAPIVersion() == "" || object.GetKind() == "" || object.GetName() == "" {
			return nil, fmt.Errorf("document %d lacks apiVersion, kind or metadata.name", len(objects)+1)
		}
		objects = append(objects, object)
	}
}
