package deploy

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// trouble is what keeps a Deployment from having pods: that they are not
// admitted, or that none of them has become ready in time. It is empty where
// nothing does.
func trouble(live *unstructured.Unstructured) string {
	deployment := &appsv1.Deployment{}
	if live == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, deployment) != nil {
		return ""
	}
	for _, c := range deployment.Status.Conditions {
		refused := c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue
		late := c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && deployment.Status.AvailableReplicas == 0
		if refused || late {
			return fmt.Sprintf("%s: %s", describe(live), c.Message)
		}
	}
	return ""
}
