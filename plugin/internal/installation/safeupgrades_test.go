package installation

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// TestSafeUpgrades: Gateway API's own admission policy is kept to, and said
// before it would refuse.
func TestSafeUpgrades(t *testing.T) {
	t.Parallel()
	_, clients := newCluster(t)
	install(t, clients, Options{Image: "x"})
	policy, binding := guard()
	kubetest.Create(t, clients, policy, binding)
	_, err := Prepare(t.Context(), clients, Options{Image: "x", Channel: ChannelExperimental})
	mustRefuse(t, err, safeUpgrades, "kubectl delete validatingadmissionpolicies", Unchanged)
	if changes := install(t, clients, Options{Image: "x"}); len(changes[kube.Unchanged]) == 0 || len(changes) != 1 {
		t.Errorf("under the policy: %v", changes)
	}
	if err := clients.Client.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	if err := clients.Client.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	if changes := install(t, clients, Options{Image: "x", Channel: ChannelExperimental}); len(changes[kube.Created]) < 3 {
		t.Errorf("without the policy: %v", changes)
	}
	_, err = Prepare(t.Context(), clients, Options{Image: "x", Channel: ChannelStandard})
	mustRefuse(t, err, "take kinds and fields away", "leave out --gateway-api")
	if changes := install(t, clients, Options{Image: "x"}); len(changes) != 1 || len(changes[kube.Unchanged]) == 0 {
		t.Errorf("the channel is not kept: %v", changes)
	}
}

func guard() (policy, binding *unstructured.Unstructured) {
	rules := []any{map[string]any{
		"apiGroups": []any{"apiextensions.k8s.io"}, "apiVersions": []any{"v1"},
		"resources": []any{"customresourcedefinitions"}, "operations": []any{"CREATE", "UPDATE"},
	}}
	object := func(kind string, spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
			"metadata": map[string]any{"name": safeUpgrades, "namespace": ""}, "spec": spec,
		}}
	}
	policy = object("ValidatingAdmissionPolicy", map[string]any{
		"failurePolicy": "Fail", "matchConstraints": map[string]any{"resourceRules": rules},
		"validations": []any{map[string]any{"expression": "true"}},
	})
	return policy, object("ValidatingAdmissionPolicyBinding", map[string]any{
		"policyName": safeUpgrades, "validationActions": []any{"Deny"},
	})
}
