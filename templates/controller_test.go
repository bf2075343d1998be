package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

func TestControllerAccess(t *testing.T) {
	t.Parallel()
	objects, err := ControllerAccess()
	role := find[*rbacv1.ClusterRole](t, objects, err)
	want := []string{
		"Namespace tlsgw-system",
		"ServiceAccount tlsgw-system/tlsgw-controller",
		"ClusterRole tlsgw-controller",
		"ClusterRoleBinding tlsgw-controller",
		"GatewayClass tlsgw",
	}
	if diff := cmp.Diff(want, order(objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			wantVerbs := []string{"list", "watch"}
			if strings.HasSuffix(resource, "/status") {
				wantVerbs = []string{"patch"}
			}
			if diff := cmp.Diff(wantVerbs, rule.Verbs); diff != "" {
				t.Errorf("verbs on %s (-want +got):\n%s", resource, diff)
			}
		}
	}
	class := find[*gatewayv1.GatewayClass](t, objects, err)
	if class.Spec.ControllerName != contract.ControllerName || class.Spec.ParametersRef != nil {
		t.Errorf("the class is %+v", class.Spec)
	}
	binding := find[*rbacv1.ClusterRoleBinding](t, objects, err)
	subject := rbacv1.Subject{Kind: "ServiceAccount", Namespace: contract.SystemNamespace, Name: contract.ControllerServiceAccount}
	if diff := cmp.Diff([]rbacv1.Subject{subject}, binding.Subjects); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
	namespace := find[*corev1.Namespace](t, objects, err)
	if got := namespace.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
		t.Errorf("PodSecurity is %q", got)
	}
}

func TestController(t *testing.T) {
	t.Parallel()
	values := ControllerValues{
		Image: "example.com/controller:1", ExtraArgs: []string{"--envoy-image=a"}, LogLevel: "debug",
		ClassParameters: &gatewayv1.ParametersReference{Group: "gateway.kgateway.dev", Kind: "GatewayParameters", Name: "dev"},
	}
	objects, err := Controller(values)
	deployment := find[*appsv1.Deployment](t, objects, err)
	want := []string{
		"Namespace tlsgw-system",
		"ServiceAccount tlsgw-system/tlsgw-controller",
		"ClusterRole tlsgw-controller",
		"ClusterRoleBinding tlsgw-controller",
		"ClusterRole tlsgw-controller-proxies",
		"ClusterRoleBinding tlsgw-controller-proxies",
		"Role tlsgw-system/tlsgw-controller",
		"RoleBinding tlsgw-system/tlsgw-controller",
		"ValidatingAdmissionPolicy tlsgw-controller-proxies",
		"ValidatingAdmissionPolicyBinding tlsgw-controller-proxies",
		"GatewayClass tlsgw",
		"NetworkPolicy tlsgw-system/tlsgw-controller",
		"PodDisruptionBudget tlsgw-system/tlsgw-controller",
		"Service tlsgw-system/tlsgw-controller",
		"Deployment tlsgw-system/tlsgw-controller",
	}
	if diff := cmp.Diff(want, order(objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	class := find[*gatewayv1.GatewayClass](t, objects, err)
	if diff := cmp.Diff(values.ClassParameters, class.Spec.ParametersRef); diff != "" {
		t.Errorf("parametersRef (-want +got):\n%s", diff)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	wantArgs := []string{"controller", "--in-cluster", "--xds-address=:18000", "--health-address=:8081", "--log-level=debug", "--envoy-image=a"}
	if diff := cmp.Diff(wantArgs, container.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if *deployment.Spec.Replicas != 2 || container.Image != values.Image || container.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("replicas %d, image %s, pulled %s", *deployment.Spec.Replicas, container.Image, container.ImagePullPolicy)
	}
	if _, err := Controller(ControllerValues{}); err == nil {
		t.Error("no image is no error")
	}
}

// TestControllerSelects holds that all that selects the controller's pods
// does, and that the ports have the names by which they are used.
func TestControllerSelects(t *testing.T) {
	t.Parallel()
	objects, err := Controller(ControllerValues{Image: "a"})
	deployment := find[*appsv1.Deployment](t, objects, err)
	policy := find[*networkingv1.NetworkPolicy](t, objects, err)
	pod := deployment.Spec.Template
	selectors := map[string]map[string]string{
		"Deployment":          deployment.Spec.Selector.MatchLabels,
		"Service":             find[*corev1.Service](t, objects, err).Spec.Selector,
		"PodDisruptionBudget": find[*policyv1.PodDisruptionBudget](t, objects, err).Spec.Selector.MatchLabels,
		"NetworkPolicy":       policy.Spec.PodSelector.MatchLabels,
	}
	for i, spread := range pod.Spec.TopologySpreadConstraints {
		selectors["spread "+spread.TopologyKey] = pod.Spec.TopologySpreadConstraints[i].LabelSelector.MatchLabels
	}
	for name, selector := range selectors {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %v", name, selector)
		}
	}
	ports := map[string]int32{}
	for _, port := range pod.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	if diff := cmp.Diff(map[string]int32{"xds": contract.XDSPort, "http": contract.ControllerHTTPPort}, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	var open []intstr.IntOrString
	for _, rule := range policy.Spec.Ingress {
		open = append(open, *rule.Ports[0].Port)
	}
	if !slices.Equal(open, []intstr.IntOrString{intstr.FromString("xds"), intstr.FromString("http")}) || len(policy.Spec.Ingress[0].From) != 1 {
		t.Errorf("ingress is %+v", policy.Spec.Ingress)
	}
	if account := find[*corev1.ServiceAccount](t, objects, err).Name; pod.Spec.ServiceAccountName != account {
		t.Errorf("the pod is of account %s, not %s", pod.Spec.ServiceAccountName, account)
	}
}
