package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// Formats are the values of --output that Print knows.
func Formats() []string { return []string{"yaml", "json", "name"} }

// Print writes objects as one stream of YAML documents, as one JSON List, or
// as their names, one a line.
func Print(out io.Writer, format string, objects []client.Object) error {
	var text []byte
	var err error
	switch format {
	case "name":
		for _, object := range objects {
			text = append(text, NameOf(object)+"\n"...)
		}
	case "json":
		text, err = jsonList(objects)
	case "yaml":
		text, err = scaffold.YAML(objects)
	default:
		err = fail.Usage("--output %q is unknown: write one of %s", format, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func jsonList(objects []client.Object) ([]byte, error) {
	list := struct {
		APIVersion string           `json:"apiVersion"`
		Kind       string           `json:"kind"`
		Items      []map[string]any `json:"items"`
	}{APIVersion: "v1", Kind: "List"}
	for _, object := range objects {
		manifest, err := scaffold.Manifest(object)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, manifest.Object)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	if err := encoder.Encode(list); err != nil {
		return nil, fmt.Errorf("encode objects: %w", err)
	}
	return out.Bytes(), nil
}

// NameOf is KIND[.GROUP]/NAME of an object that carries its kind, in lower
// case, as kubectl prints it. It asks no cluster.
func NameOf(object client.Object) string {
	return strings.ToLower(object.GetObjectKind().GroupVersionKind().GroupKind().String()) + "/" + object.GetName()
}

// Current is the object as the cluster has it; nil when it has none, or does
// not serve its kind.
func (c *Clients) Current(ctx context.Context, object client.Object) (*unstructured.Unstructured, error) {
	existing := &unstructured.Unstructured{}
	existing.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	err := c.Client.Get(ctx, client.ObjectKeyFromObject(object), existing)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.Explain(fmt.Errorf("get %s: %w", NameOf(object), err))
	}
	return existing, nil
}

// Diff compares two states of an object as a unified diff of their YAML;
// empty where nothing differs. before may be nil; verb is who made after.
func Diff(before, after *unstructured.Unstructured, verb string) (string, error) {
	to, err := scaffold.YAML([]client.Object{after})
	if err != nil {
		return "", err
	}
	var from []byte
	if before != nil {
		if from, err = scaffold.YAML([]client.Object{before}); err != nil {
			return "", err
		}
	}
	name := strings.ToLower(after.GetKind()) + "/" + after.GetName()
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: textLines(from), FromFile: name + " (in the cluster)",
		B: textLines(to), ToFile: name + " (as " + verb + " would have it)",
		Context: 3,
	})
	if err != nil {
		return "", fmt.Errorf("compare %s: %w", name, err)
	}
	return text, nil
}

// textLines are the lines of a text that ends in a newline; none of an empty
// one.
func textLines(text []byte) []string {
	all := strings.SplitAfter(string(text), "\n")
	return all[:len(all)-1]
}
