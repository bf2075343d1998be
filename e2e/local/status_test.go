//go:build e2e

package local

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// policyKinds are the two kinds of policy, as object references.
const (
	backendTLSPolicy    = "BackendTLSPolicy"
	backendConfigPolicy = "BackendConfigPolicy"
)

// ref is an object by kind and name, without content.
func ref(kind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetKind(kind)
	switch kind {
	case backendTLSPolicy, "HTTPRoute", "Gateway":
		object.SetAPIVersion("gateway.networking.k8s.io/v1")
	case backendConfigPolicy, "Backend":
		object.SetAPIVersion("gateway.kgateway.dev/v1alpha1")
	default:
		object.SetAPIVersion("v1")
	}
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// policyConditions are what our controller says of a policy, of its first
// ancestor.
func (s *suite) policyConditions(ctx context.Context, kind, namespace, name string) ([]metav1.Condition, error) {
	object := ref(kind, namespace, name)
	if err := s.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return nil, err
	}
	content, _, err := unstructured.NestedMap(object.Object, "status")
	if err != nil {
		return nil, err
	}
	var status gatewayv1.PolicyStatus
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &status); err != nil {
		return nil, err
	}
	for _, ancestor := range status.Ancestors {
		if ancestor.ControllerName == contract.ControllerName {
			return ancestor.Conditions, nil
		}
	}
	return nil, nil
}

// awaitCondition waits until a condition of a policy has that status and
// reason, and returns its message.
func (s *suite) awaitCondition(t *testing.T, kind, namespace, name, condition string, status metav1.ConditionStatus, reason string) string {
	t.Helper()
	var message string
	poll.Until(t, soon, fmt.Sprintf("%s %s/%s %s=%s/%s", kind, namespace, name, condition, status, reason),
		func() (bool, string) {
			conditions, err := s.policyConditions(t.Context(), kind, namespace, name)
			if err != nil {
				return false, err.Error()
			}
			for _, c := range conditions {
				if c.Type == condition && c.Status == status && c.Reason == reason {
					message = c.Message
					return true, ""
				}
			}
			return false, fmt.Sprintf("%+v", conditions)
		})
	return message
}
