package templates

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// typed reads an object into its Go type, where unknown and mistyped fields
// are errors.
func typed(t *testing.T, object client.Object) runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, rbacv1.AddToScheme, gatewayv1.Install,
		appsv1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, admissionv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	content, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	decoded, _, err := decoder.Decode(content, nil, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
	}
	return decoded
}

// find gives the object of type T among objects, all of which must be typed
// correctly and be marked as ours.
func find[T runtime.Object](t *testing.T, objects []client.Object, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var found T
	for _, object := range objects {
		if got := object.GetLabels()[contract.LabelManagedBy]; got != contract.FieldManager {
			t.Errorf("%s: label %s is %q", object.GetName(), contract.LabelManagedBy, got)
		}
		if o, ok := typed(t, object).(T); ok {
			found = o
		}
	}
	return found
}

func order(objects []client.Object) []string {
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		name := strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/")
		names = append(names, fmt.Sprintf("%s %s", o.GetObjectKind().GroupVersionKind().Kind, name))
	}
	return names
}

func TestGateway(t *testing.T) {
	t.Parallel()
	annotations := map[string]string{contract.AnnotationEnvoyAdmin: "127.0.0.1:19000"}
	for _, want := range []map[string]string{nil, annotations} {
		objects, err := Gateway(GatewayValues{Port: 8088, Annotations: want})
		gateway := find[*gatewayv1.Gateway](t, objects, err)
		if diff := cmp.Diff([]string{"Namespace kgateway-system", "Gateway kgateway-system/http"}, order(objects)); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, gateway.Annotations); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
		if len(gateway.Spec.Listeners) != 1 || gateway.Spec.Listeners[0].Port != 8088 {
			t.Errorf("listeners are %+v", gateway.Spec.Listeners)
		}
	}
}

func TestLocalSample(t *testing.T) {
	t.Parallel()
	// Text that would be something else if it were not quoted.
	ca := "-----BEGIN CERTIFICATE-----\n\"'{{ x }}: &a <b>\n---\n-----END CERTIFICATE-----\n"
	objects, err := LocalSample(LocalSampleValues{Host: "nginx.localhost", Port: 28443, CA: ca})
	slice := find[*discoveryv1.EndpointSlice](t, objects, err)
	want := []string{"Service default/nginx", "EndpointSlice default/nginx", "ConfigMap default/nginx-ca"}
	if diff := cmp.Diff(want, order(objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"nginx.localhost"}, slice.Endpoints[0].Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	service := find[*corev1.Service](t, objects, err)
	if port := service.Spec.Ports[0]; port.Port != SamplePort || *slice.Ports[0].Port != 28443 || port.Name != *slice.Ports[0].Name {
		t.Errorf("the ports of Service %+v and EndpointSlice %+v do not meet", port, slice.Ports[0])
	}
	if slice.Labels[discoveryv1.LabelServiceName] != service.Name {
		t.Errorf("the EndpointSlice is for Service %q", slice.Labels[discoveryv1.LabelServiceName])
	}
	if got := find[*corev1.ConfigMap](t, objects, err).Data[contract.CAKey]; got != ca {
		t.Errorf("%s is %q", contract.CAKey, got)
	}
}

func TestClusterSample(t *testing.T) {
	t.Parallel()
	values := ClusterSampleValues{
		Break: "none", Certificate: []byte("certificate"), Key: []byte("key"), ClientCA: []byte("client"), CA: []byte("ca"), NginxConf: "{{ x }}: &a",
	}
	objects, err := ClusterSample(values)
	deployment := find[*appsv1.Deployment](t, objects, err)
	want := []string{
		"Secret default/nginx-tls", "ConfigMap default/nginx-ca", "ConfigMap default/nginx-conf", "Service default/nginx", "Deployment default/nginx",
	}
	if diff := cmp.Diff(want, order(objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	secret := find[*corev1.Secret](t, objects, err)
	wantData := map[string][]byte{"tls.crt": values.Certificate, "tls.key": values.Key, "ca.crt": values.CA, "client-ca.crt": values.ClientCA}
	if diff := cmp.Diff(wantData, secret.Data); diff != "" || secret.Annotations[AnnotationSample] != "none" {
		t.Errorf("%v (-want +got):\n%s", secret.Annotations, diff)
	}
	// The guide's cleanup deletes Secrets and ConfigMaps with app=nginx.
	for _, object := range objects {
		_, app := object.GetLabels()[contract.LabelApp]
		if kind := object.GetObjectKind().GroupVersionKind().Kind; app != (kind == "Service" || kind == "Deployment") {
			t.Errorf("%s %s: label app is there: %v", kind, object.GetName(), app)
		}
	}
	service := find[*corev1.Service](t, objects, err)
	if diff := cmp.Diff(service.Spec.Selector, deployment.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("the Service selects other pods than the Deployment:\n%s", diff)
	}
	if deployment.Spec.Replicas != nil {
		t.Error("the Deployment overrules whoever scales it")
	}
	checkChecksum(t, values, deployment)
}

// checkChecksum: what the pod reads when it starts, and nothing else, changes
// the checksum on its template.
func checkChecksum(t *testing.T, values ClusterSampleValues, deployment *appsv1.Deployment) {
	t.Helper()
	sum := func(d *appsv1.Deployment) string { return d.Spec.Template.Annotations[AnnotationChecksum] }
	if sum(deployment) == "" || sum(deployment) != deployment.Annotations[AnnotationChecksum] {
		t.Errorf("checksums are %q and %q", sum(deployment), deployment.Annotations[AnnotationChecksum])
	}
	for name, tt := range map[string]struct {
		change func(*ClusterSampleValues)
		same   bool
	}{
		"certificate": {change: func(v *ClusterSampleValues) { v.Certificate = []byte("certificatek"); v.Key = []byte("ey") }},
		"client CA":   {change: func(v *ClusterSampleValues) { v.ClientCA = nil }},
		"nginx.conf":  {change: func(v *ClusterSampleValues) { v.NginxConf = "" }},
		"trust":       {change: func(v *ClusterSampleValues) { v.CA = []byte("other") }, same: true},
	} {
		changed := values
		tt.change(&changed)
		objects, err := ClusterSample(changed)
		if got := sum(find[*appsv1.Deployment](t, objects, err)); (got == sum(deployment)) != tt.same {
			t.Errorf("%s: the checksum is the same: %v, want %v", name, got == sum(deployment), tt.same)
		}
	}
}

func TestGatewayWithParameters(t *testing.T) {
	t.Parallel()
	objects, err := Gateway(GatewayValues{Port: 8080, Parameters: "http"})
	gateway := find[*gatewayv1.Gateway](t, objects, err)
	want := &gatewayv1.GatewayInfrastructure{ParametersRef: &gatewayv1.LocalParametersReference{
		Group: "gateway.kgateway.dev", Kind: "GatewayParameters", Name: "http",
	}}
	if diff := cmp.Diff(want, gateway.Spec.Infrastructure); diff != "" {
		t.Errorf("infrastructure (-want +got):\n%s", diff)
	}
	proxy := v1alpha1.KubernetesProxy{Service: &v1alpha1.ProxyService{Ports: []v1alpha1.ProxyPort{{Port: 8080, NodePort: ptr.To(int32(30080))}}}}
	objects, err = GatewayParameters("a", "b", proxy)
	parameters := find[*v1alpha1.GatewayParameters](t, objects, err)
	if diff := cmp.Diff(&proxy, parameters.Spec.Kube); diff != "" || parameters.Namespace != "a" || parameters.Name != "b" {
		t.Errorf("%s/%s (-want +got):\n%s", parameters.Namespace, parameters.Name, diff)
	}
}

func TestRenderIsStrict(t *testing.T) {
	t.Parallel()
	if _, err := render("gateway", map[string]any{"Namespace": "a"}); err == nil || !strings.Contains(err.Error(), "ManagedBy") {
		t.Errorf("a value is missing: %v", err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"a key twice": {"apiVersion: v1\nkind: A\nkind: B\nmetadata: {name: a}\n", "already set"},
		"no name":     {"apiVersion: v1\nkind: A\n", "metadata.name"},
		"no kind":     {"apiVersion: v1\nmetadata: {name: a}\n", "kind"},
		"not YAML":    {"a: b: c", "document 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := decode(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestCRDs(t *testing.T) {
	t.Parallel()
	for _, channel := range []Channel{Standard, Experimental} {
		definitions, err := CRDs(channel)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, definition := range definitions {
			seen[definition.Name] = true
			if definition.Spec.Group == "gateway.kgateway.dev" {
				if definition.Labels[contract.LabelManagedBy] != contract.FieldManager {
					t.Errorf("%s is not marked as ours", definition.Name)
				}
				continue
			}
			if definition.Annotations[consts.BundleVersionAnnotation] != consts.BundleVersion || definition.Annotations[consts.ChannelAnnotation] != string(channel) {
				t.Errorf("%s is of %v", definition.Name, definition.Annotations)
			}
		}
		for _, name := range []string{
			"backendconfigpolicies.gateway.kgateway.dev",
			"backends.gateway.kgateway.dev",
			"backendtlspolicies.gateway.networking.k8s.io",
			"gatewayclasses.gateway.networking.k8s.io",
			"gatewayparameters.gateway.kgateway.dev",
			"gateways.gateway.networking.k8s.io",
			"httproutes.gateway.networking.k8s.io",
			"referencegrants.gateway.networking.k8s.io",
		} {
			if !seen[name] {
				t.Errorf("channel %s has no %s", channel, name)
			}
		}
	}
	if _, err := CRDs("stable"); err == nil || !strings.Contains(err.Error(), `"stable"`) {
		t.Errorf("an unknown channel: %v", err)
	}
}

// TestFields holds that kubectl explain says something about every field of
// ours, and that no number is admitted that its Go type cannot hold.
func TestFields(t *testing.T) {
	t.Parallel()
	definitions, err := KgatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, definition := range definitions {
		schema := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
		for name, property := range schema.Properties {
			// The others are the same for every kind.
			if name == "spec" || name == "status" {
				checkField(t, definition.Spec.Names.Kind+"."+name, property)
			}
		}
	}
}

func checkField(t *testing.T, path string, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if schema.Description == "" {
		t.Errorf("%s has no description", path)
	}
	inSpec := strings.Contains(path, ".spec")
	if inSpec && schema.Type == "integer" && (schema.Maximum == nil || schema.Minimum == nil) {
		t.Errorf("%s has no bounds", path)
	}
	for name, property := range schema.Properties {
		checkField(t, path+"."+name, property)
	}
	if schema.Items != nil && schema.Items.Schema.Type == "object" {
		checkField(t, path+"[]", *schema.Items.Schema)
	}
}

func BenchmarkCRDs(b *testing.B) {
	for b.Loop() {
		if _, err := CRDs(Standard); err != nil {
			b.Fatal(err)
		}
	}
}
