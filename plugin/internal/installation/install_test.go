package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// install gives how many objects were created, configured and left as they
// were.
func install(t *testing.T, clients *kube.Clients, o Options) (changes map[kube.Change][]string) {
	t.Helper()
	prepared, err := Prepare(t.Context(), clients, o)
	if err != nil {
		t.Fatal(errorText(err))
	}
	changes = map[kube.Change][]string{}
	applied, err := prepared.Apply(t.Context(), func(one kube.Applied) { changes[one.Change] = append(changes[one.Change], one.Name) })
	if err != nil {
		t.Fatal(errorText(err))
	}
	if len(applied) != len(prepared.Objects) {
		t.Errorf("%d of %d objects applied", len(applied), len(prepared.Objects))
	}
	return changes
}

// state has every object that an installation touches, with its version.
func state(t *testing.T, clients *kube.Clients) map[string]string {
	t.Helper()
	planned, err := Plan(Options{Image: "any", Channel: ChannelExperimental})
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, object := range planned {
		there := &metav1.PartialObjectMetadata{}
		there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		found, err := get(t.Context(), clients, object, there)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			versions[key(object)] = there.ResourceVersion
		}
	}
	return versions
}

func mustBeTheSame(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name := range after {
		if before[name] != after[name] {
			t.Errorf("%s: version %s became %s", name, before[name], after[name])
		}
	}
	if len(before) != len(after) {
		t.Errorf("there were %d objects, and are %d", len(before), len(after))
	}
}

// TestInstall is the life of an installation.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestInstall(t *testing.T) {
	t.Parallel()
	_, clients := newCluster(t)
	first := install(t, clients, Options{Image: "example.com/tlsgw:1"})
	if len(first[kube.Created]) == 0 || len(first) != 1 {
		t.Fatalf("an empty cluster: %v", first)
	}
	if last := first[kube.Created][len(first[kube.Created])-1]; last != "deployment.apps/"+contract.ControllerDeployment {
		t.Errorf("the last object is %s", last)
	}
	t.Run("again", func(t *testing.T) {
		before := state(t, clients)
		if again := install(t, clients, Options{Image: "example.com/tlsgw:1"}); len(again) != 1 || len(again[kube.Unchanged]) != len(first[kube.Created]) {
			t.Errorf("got %v", again)
		}
		mustBeTheSame(t, before, state(t, clients))
	})
	t.Run("another image", func(t *testing.T) {
		changes := install(t, clients, Options{Image: "example.com/tlsgw:2", Replicas: 3})
		if got := changes[kube.Configured]; !slices.Equal(got, []string{"deployment.apps/tlsgw-controller"}) || len(changes[kube.Created]) > 0 {
			t.Errorf("got %v", changes)
		}
		deployment := controller(t, clients)
		if image := deployment.Spec.Template.Spec.Containers[0].Image; image != "example.com/tlsgw:2" || *deployment.Spec.Replicas != 3 {
			t.Errorf("image %s, %d replicas", image, *deployment.Spec.Replicas)
		}
	})
	t.Run("heals", func(t *testing.T) {
		class := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: contract.GatewayClassName}}
		if err := clients.Client.Delete(t.Context(), class); err != nil {
			t.Fatal(err)
		}
		if got := install(t, clients, Options{Image: "example.com/tlsgw:2", Replicas: 3})[kube.Created]; len(got) != 1 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("keeps the parameters of the class", func(t *testing.T) {
		group, kind := gatewayv1.Group("gateway.kgateway.dev"), gatewayv1.Kind("GatewayParameters")
		o := Options{Image: "example.com/tlsgw:2", Replicas: 3, ClassParameters: &gatewayv1.ParametersReference{Group: group, Kind: kind, Name: "p"}}
		if got := install(t, clients, o)[kube.Configured]; len(got) != 1 {
			t.Errorf("with parameters: %v", got)
		}
		o.ClassParameters = nil
		if got := install(t, clients, o)[kube.Configured]; len(got) != 0 {
			t.Errorf("without: %v", got)
		}
	})
	t.Run("what others have changed", func(t *testing.T) { checkConflict(t, clients) })
	t.Run("older definitions of ours", func(t *testing.T) {
		older(t, clients, "gateways.gateway.networking.k8s.io")
		got := install(t, clients, Options{Image: "example.com/tlsgw:2", Replicas: 3})[kube.Configured]
		if !slices.Equal(got, []string{"customresourcedefinition.apiextensions.k8s.io/gateways.gateway.networking.k8s.io"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a limited person", func(t *testing.T) { checkLimited(t, clients) })
}

func controller(t *testing.T, clients *kube.Clients) *appsv1.Deployment {
	t.Helper()
	deployment := &appsv1.Deployment{}
	if err := clients.Client.Get(t.Context(), client.ObjectKey{Namespace: contract.SystemNamespace, Name: contract.ControllerDeployment}, deployment); err != nil {
		t.Fatal(err)
	}
	return deployment
}

// checkConflict: somebody scaled the controller.
func checkConflict(t *testing.T, clients *kube.Clients) {
	t.Helper()
	deployment := controller(t, clients)
	replicas := int32(7)
	deployment.Spec.Replicas = &replicas
	if err := clients.Client.Update(t.Context(), deployment, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	before := state(t, clients)
	_, err := Prepare(t.Context(), clients, Options{Image: "example.com/tlsgw:3"})
	mustRefuse(t, err, "deployment.apps/tlsgw-controller is also managed by others", ".spec.replicas", "somebody", "install --force", Unchanged)
	mustBeTheSame(t, before, state(t, clients))
	install(t, clients, Options{Image: "example.com/tlsgw:2", Replicas: 3, Force: true})
	if got := *controller(t, clients).Spec.Replicas; got != 3 {
		t.Errorf("%d replicas, by force", got)
	}
}

// older installs a definition as an earlier version of this program would.
func older(t *testing.T, clients *kube.Clients, name string) {
	t.Helper()
	all, err := definitions(ChannelStandard)
	if err != nil {
		t.Fatal(err)
	}
	for _, definition := range all {
		if definition.Name != name {
			continue
		}
		definition.Annotations["gateway.networking.k8s.io/bundle-version"] = "v1.5.0"
		if _, err := clients.Apply(t.Context(), []client.Object{definition}, kube.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkLimited(t *testing.T, clients *kube.Clients) {
	t.Helper()
	config := rest.CopyConfig(clients.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "limited"}
	limited, err := kube.NewForConfig(config, "")
	if err != nil {
		t.Fatal(err)
	}
	before := state(t, clients)
	_, err = Prepare(t.Context(), limited, Options{Image: "x"})
	mustRefuse(t, err, "you may not do", "create customresourcedefinitions.apiextensions.k8s.io", "patch deployments.apps in tlsgw-system", "kubectl auth whoami", Unchanged)
	_, err = PrepareRemoval(t.Context(), limited, RemovalOptions{})
	mustRefuse(t, err, "you may not do", "delete deployments.apps in tlsgw-system", Unchanged)
	mustBeTheSame(t, before, state(t, clients))
}

func mustRefuse(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("not refused")
	}
	text := errorText(err)
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	if fail.Code(err) != fail.CodeFailed {
		t.Errorf("exit code %d", fail.Code(err))
	}
}

// foreignCluster has the definitions of others: change may drop some by
// giving false.
func foreignCluster(t *testing.T, change func(*apiextensionsv1.CustomResourceDefinition) bool) (*kubetest.Cluster, *kube.Clients) {
	t.Helper()
	cluster, clients := newCluster(t)
	all, err := definitions(ChannelStandard)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []*apiextensionsv1.CustomResourceDefinition
	for _, definition := range all {
		delete(definition.Labels, contract.LabelManagedBy)
		if change(definition) {
			theirs = append(theirs, definition)
		}
	}
	err = parallel(t.Context(), len(theirs), func(ctx context.Context, i int) error {
		if err := clients.Client.Create(ctx, theirs[i]); err != nil {
			return err
		}
		return clients.Wait(ctx, theirs[i].DeepCopy(), "established", established)
	})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, clients
}

// TestAnothersAreLeftAlone: kgateway and its Gateway API were there.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestAnothersAreLeftAlone(t *testing.T) {
	t.Parallel()
	_, clients := foreignCluster(t, func(d *apiextensionsv1.CustomResourceDefinition) bool {
		return !strings.HasPrefix(d.Name, "gatewayparameters")
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: contract.SystemNamespace}}
	kubetest.Create(t, clients, namespace)
	before := state(t, clients)
	prepared, err := Prepare(t.Context(), clients, Options{Image: "x"})
	if err != nil {
		t.Fatal(errorText(err))
	}
	mustBeTheSame(t, before, state(t, clients))
	notes := strings.Join(prepared.Notes, "\n")
	for _, part := range []string{"Gateway API v1.", "(standard) was there", "backends.gateway.kgateway.dev was there", "backendconfigpolicies", "namespace/tlsgw-system was there"} {
		if !strings.Contains(notes, part) {
			t.Errorf("%q is not in the notes:\n%s", part, notes)
		}
	}
	if _, err := prepared.Apply(t.Context(), nil); err != nil {
		t.Fatal(errorText(err))
	}
	after := state(t, clients)
	for name, version := range before {
		if after[name] != version {
			t.Errorf("%s was changed", name)
		}
	}
	if name := "customresourcedefinition.apiextensions.k8s.io/gatewayparameters.gateway.kgateway.dev -n "; after[name] == "" {
		t.Error("the definition that was missing was not installed")
	}
	t.Run("nor taken away", func(t *testing.T) {
		removal, err := PrepareRemoval(t.Context(), clients, RemovalOptions{CRDs: true})
		if err != nil {
			t.Fatal(errorText(err))
		}
		for _, object := range removal.Objects() {
			if before[key(object)] != "" {
				t.Errorf("%s would be deleted", key(object))
			}
		}
	})
}

// TestEveryRefusalAtOnce: nothing is written while anything is in the way.
func TestEveryRefusalAtOnce(t *testing.T) {
	t.Parallel()
	_, clients := foreignCluster(t, func(d *apiextensionsv1.CustomResourceDefinition) bool {
		if d.Name == "backends.gateway.kgateway.dev" {
			d.Spec.Versions[0].Name = "v1alpha2"
		}
		return !strings.HasPrefix(d.Name, "backendtlspolicies") && !strings.HasPrefix(d.Name, "gatewayparameters")
	})
	labels := map[string]string{"app": "theirs"}
	kubetest.Create(t, clients,
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: contract.GatewayClassName}, Spec: gatewayv1.GatewayClassSpec{ControllerName: "example.com/other"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: contract.SystemNamespace}},
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: contract.ControllerDeployment, Namespace: contract.SystemNamespace},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "theirs"}}},
				},
			},
		})
	before := state(t, clients)
	_, err := Prepare(t.Context(), clients, Options{Image: "x"})
	mustRefuse(t, err,
		"4 things stand in the way of an installation",
		"missing: backendtlspolicies.gateway.networking.k8s.io (v1)", "standard-install.yaml",
		"backends.gateway.kgateway.dev is not ours to change, and lacks version v1alpha1",
		"gatewayclass.gateway.networking.k8s.io/tlsgw is another controller's: example.com/other",
		"deployment.apps/tlsgw-controller was there and is not ours", "in namespace tlsgw-system",
		Unchanged)
	mustBeTheSame(t, before, state(t, clients))
}

// TestAfterKubectl: what kubectl has applied of a printed plan is the same
// installation, and nobody is in the way of anybody.
func TestAfterKubectl(t *testing.T) {
	t.Parallel()
	_, clients := newCluster(t)
	planned, err := Plan(Options{Image: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range planned {
		manifest, err := unstructuredOf(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := clients.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest), client.FieldOwner("kubectl")); err != nil {
			t.Fatal(err)
		}
		if definition, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
			if err := clients.Wait(t.Context(), definition, "established", established); err != nil {
				t.Fatal(err)
			}
		}
	}
	if changes := install(t, clients, Options{Image: "x"}); len(changes) != 1 || len(changes[kube.Unchanged]) != len(planned) {
		t.Errorf("got %v", changes)
	}
	_, err = Prepare(t.Context(), clients, Options{Image: "y"})
	mustRefuse(t, err, `conflict with "kubectl"`, "--force")
}

// TestPlan: what is printed can be applied as it is.
func TestPlan(t *testing.T) {
	t.Parallel()
	if _, err := Plan(Options{}); fail.Code(err) != fail.CodeUsage {
		t.Errorf("no image: %v", err)
	}
	if _, err := Plan(Options{Image: "x", Channel: "beta"}); fail.Code(err) != fail.CodeUsage {
		t.Errorf("no channel: %v", err)
	}
	objects, err := Plan(Options{Image: "x"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, object := range objects {
		manifest, err := unstructuredOf(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := manifest.Object["status"]; found {
			t.Errorf("%s has a status", key(object))
		}
		if !ours(object) {
			t.Errorf("%s is not marked as ours", key(object))
		}
		if namespace := object.GetNamespace(); namespace != "" && !seen[fmt.Sprintf("namespace/%s -n ", namespace)] {
			t.Errorf("%s comes before its namespace", key(object))
		}
		seen[key(object)] = true
	}
}
