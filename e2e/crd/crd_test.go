package crd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// admission is a spec, and what the API server must say to it: nothing, or
// something with each of these words.
type admission struct {
	spec string
	want []string
	// rewritten: the Go type writes an equal value in another way.
	rewritten bool
}

// TestCRDs starts one API server for all that needs one.
func TestCRDs(t *testing.T) {
	t.Parallel()
	config := startAPIServer(t)
	plain, err := client.New(config, client.Options{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewDryRunClient(plain)
	t.Run("Backend", func(t *testing.T) {
		t.Parallel()
		testAdmission[v1alpha1.Backend](t, c, v1alpha1.KindBackend, backendAdmissions())
	})
	for section, admissions := range policyAdmissions() {
		t.Run("BackendConfigPolicy/"+section, func(t *testing.T) {
			t.Parallel()
			testAdmission[v1alpha1.BackendConfigPolicy](t, c, v1alpha1.KindBackendConfigPolicy, admissions)
		})
	}
	t.Run("GatewayParameters", func(t *testing.T) {
		t.Parallel()
		testAdmission[v1alpha1.GatewayParameters](t, c, v1alpha1.KindGatewayParameters, parametersAdmissions())
	})
	t.Run("defaults", func(t *testing.T) {
		t.Parallel()
		testDefaults(t, c)
	})
	t.Run("guide", func(t *testing.T) {
		t.Parallel()
		testGuide(t, c)
	})
	t.Run("templates", func(t *testing.T) {
		t.Parallel()
		testTemplates(t, plain, config)
	})
	t.Run("status and columns", func(t *testing.T) {
		t.Parallel()
		testColumns(t, plain, config)
	})
}

// startAPIServer starts etcd and kube-apiserver with all CRDs, until the test
// has ended.
func startAPIServer(t *testing.T) *rest.Config {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(assets, name)); assets == "" || err != nil {
			t.Fatalf("KUBEBUILDER_ASSETS=%q is not a folder with %s: make tools provides one, make test sets it", assets, name)
		}
	}
	definitions, err := templates.CRDs(templates.Standard)
	if err != nil {
		t.Fatal(err)
	}
	environment := &envtest.Environment{
		CRDs:                     definitions,
		ControlPlaneStartTimeout: time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	config, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop etcd and kube-apiserver: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("start etcd and kube-apiserver and install the CRDs: %v", err)
	}
	return config
}

// testAdmission creates an object of each spec, as a dry run, and looks
// whether type T holds what was admitted.
func testAdmission[T any](t *testing.T, c client.Client, kind string, admissions map[string]admission) {
	t.Helper()
	for name, test := range admissions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, err := create(t.Context(), t, c, kind, test.spec)
			if len(test.want) > 0 {
				refused(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if diff := cmp.Diff(object.Object["spec"], throughGoType[T](t, object)); diff != "" && !test.rewritten {
				t.Errorf("what the Go type makes of the spec (-want +got):\n%s", diff)
			}
		})
	}
}

func refused(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatalf("admitted, want an error with %q", want)
	}
	for _, word := range want {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("refused with %q\nwhich lacks %q", err, word)
		}
	}
}

// create makes an object of a spec in YAML.
func create(ctx context.Context, t *testing.T, c client.Client, kind, spec string) (*unstructured.Unstructured, error) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(spec), &object.Object); err != nil {
		t.Fatalf("the test's own YAML: %v", err)
	}
	object.Object = map[string]any{"spec": object.Object}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion().WithKind(kind))
	object.SetNamespace("default")
	object.SetGenerateName("a-")
	return object, c.Create(ctx, object)
}

// throughGoType gives the spec of an object as T writes it.
func throughGoType[T any](t *testing.T, object *unstructured.Unstructured) any {
	t.Helper()
	typed := new(T)
	converter := runtime.DefaultUnstructuredConverter
	if err := converter.FromUnstructuredWithValidation(object.Object, typed, true); err != nil {
		t.Fatalf("read into the Go type: %v", err)
	}
	written, err := converter.ToUnstructured(typed)
	if err != nil {
		t.Fatal(err)
	}
	return written["spec"]
}

// testDefaults looks at what the API server fills in.
func testDefaults(t *testing.T, c client.Client) {
	t.Helper()
	object, err := create(t.Context(), t, c, v1alpha1.KindBackendConfigPolicy, `
upstreamProxyProtocol: {}
outlierDetection: {}
loadBalancer:
  leastRequest: {}
  zoneAware: {preferLocal: {force: {}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"upstreamProxyProtocol": map[string]any{"version": "V1"},
		"outlierDetection": map[string]any{
			"consecutive5xx": int64(5), "interval": "10s", "baseEjectionTime": "30s", "maxEjectionPercent": int64(10),
		},
		"loadBalancer": map[string]any{
			"leastRequest": map[string]any{"choiceCount": int64(2)},
			"zoneAware": map[string]any{"preferLocal": map[string]any{
				"minEndpointsThreshold": int64(6), "routingEnabled": int64(100),
				"force": map[string]any{"minEndpointsInZoneThreshold": int64(1)},
			}},
		},
	}
	if diff := cmp.Diff(want, object.Object["spec"]); diff != "" {
		t.Errorf("spec with defaults (-want +got):\n%s", diff)
	}
}

// testGuide creates the guide's manifests, as a dry run.
func testGuide(t *testing.T, c client.Client) {
	t.Helper()
	files, err := filepath.Glob("../guide/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests of the guide: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(content, &object.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if object.GetNamespace() == "" {
			object.SetNamespace("default")
		}
		if err := c.Create(t.Context(), object); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
