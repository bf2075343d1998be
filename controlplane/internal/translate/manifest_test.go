package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// testOptions are those of every test but where it says otherwise.
func testOptions() Options {
	return Options{
		ControllerName: contract.ControllerName,
		Now:            time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		SystemCAFile:   "/etc/ssl/certs/ca-certificates.crt",
	}
}

// loadCase reads a manifest and the shared ones that its first line includes:
// "# include: pki gateway nginx".
func loadCase(tb testing.TB, path string) [][]byte {
	tb.Helper()
	text := readFile(tb, path)
	first, _, _ := strings.Cut(string(text), "\n")
	var documents [][]byte
	if included, ok := strings.CutPrefix(first, "# include: "); ok {
		for _, name := range strings.Fields(included) {
			shared := filepath.Join("testdata", "shared", name+".yaml")
			documents = append(documents, splitDocuments(tb, readFile(tb, shared))...)
		}
	}
	return append(documents, splitDocuments(tb, text)...)
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// splitDocuments gives the documents of a manifest as JSON.
func splitDocuments(tb testing.TB, text []byte) [][]byte {
	tb.Helper()
	var documents [][]byte
	decoder := yaml.NewYAMLToJSONDecoder(bytes.NewReader(text))
	for {
		var raw rawDocument
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			tb.Fatalf("decode manifest: %v", err)
		}
		if len(raw) > 0 && string(raw) != "null" {
			documents = append(documents, raw)
		}
	}
}

// rawDocument keeps the JSON that it is decoded from.
type rawDocument []byte

func (r *rawDocument) UnmarshalJSON(text []byte) error {
	*r = bytes.Clone(text)
	return nil
}

// newObject makes an empty object of a kind that the controller serves.
func newObject(kind string) client.Object {
	switch kind {
	case "GatewayClass":
		return &gatewayv1.GatewayClass{}
	case "Gateway":
		return &gatewayv1.Gateway{}
	case "HTTPRoute":
		return &gatewayv1.HTTPRoute{}
	case "ListenerSet":
		return &gatewayv1.ListenerSet{}
	case "GRPCRoute":
		return &gatewayv1.GRPCRoute{}
	case "TLSRoute":
		return &gatewayv1.TLSRoute{}
	case "ReferenceGrant":
		return &gatewayv1.ReferenceGrant{}
	case "BackendTLSPolicy":
		return &gatewayv1.BackendTLSPolicy{}
	case "Backend":
		return &v1alpha1.Backend{}
	case "BackendConfigPolicy":
		return &v1alpha1.BackendConfigPolicy{}
	case "GatewayParameters":
		return &v1alpha1.GatewayParameters{}
	}
	return newCoreObject(kind)
}

// newCoreObject makes one of the kinds of Kubernetes itself.
func newCoreObject(kind string) client.Object {
	switch kind {
	case "Namespace":
		return &corev1.Namespace{}
	case "Service":
		return &corev1.Service{}
	case "EndpointSlice":
		return &discoveryv1.EndpointSlice{}
	case "Secret":
		return &corev1.Secret{}
	case "ConfigMap":
		return &corev1.ConfigMap{}
	}
	return nil
}

// decodeObject decodes a document; strict refuses unknown fields.
func decodeObject(document []byte, strict bool) (client.Object, error) {
	var kind struct{ Kind string }
	if err := sigsyaml.Unmarshal(document, &kind); err != nil {
		return nil, err
	}
	object := newObject(kind.Kind)
	if object == nil {
		return nil, fmt.Errorf("kind %q is not served", kind.Kind)
	}
	unmarshal := sigsyaml.UnmarshalStrict
	if !strict {
		unmarshal = func(text []byte, into any, _ ...sigsyaml.JSONOpt) error { return sigsyaml.Unmarshal(text, into) }
	}
	if err := unmarshal(document, object); err != nil {
		return nil, err
	}
	if secret, ok := object.(*corev1.Secret); ok {
		writeStringData(secret)
	}
	return object, nil
}

// writeStringData does what the API server does on write.
func writeStringData(secret *corev1.Secret) {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}

func decodeAll(tb testing.TB, documents [][]byte) []client.Object {
	tb.Helper()
	objects := make([]client.Object, 0, len(documents))
	for _, document := range documents {
		object, err := decodeObject(document, true)
		if err != nil {
			tb.Fatalf("%v in:\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

func newSnapshot(tb testing.TB, objects []client.Object) *snapshot.Snapshot {
	tb.Helper()
	s, err := snapshot.New(objects)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// casePaths are the manifests of testdata.
func casePaths(tb testing.TB) []string {
	tb.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	var paths []string
	for _, path := range all {
		if !strings.HasSuffix(path, ".out.yaml") {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		tb.Fatal("testdata has no manifests")
	}
	return paths
}
