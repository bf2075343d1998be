package kube_test

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// TestWaitIsGivenUp: a pod that cannot become ready ends the wait for a
// Deployment, and for an object that depends on it.
func TestWaitIsGivenUp(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	labels := map[string]string{"app": "x"}
	meta := metav1.ObjectMeta{Namespace: clients.Namespace, Name: "x", Labels: labels}
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x:1"}}}
	kubetest.Create(t, clients, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}})
	pod := &corev1.Pod{ObjectMeta: meta, Spec: spec}
	kubetest.Create(t, clients, pod)
	object := configMap("a", "1")
	object.Namespace = clients.Namespace
	never := func(client.Object) (bool, string) { return false, "nothing" }

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	hopeful, stop := clients.WhileHopeful(ctx, clients.Namespace, labels)
	defer stop()
	waited := make(chan error, 1)
	go func() { waited <- clients.Wait(hopeful, object, "ready", never) }()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", Image: "x:1", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "x:1: not found"},
	}}}
	if err := clients.Client.Status().Update(ctx, pod); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"deployment " + clients.Namespace + "/x cannot become available: ErrImagePull: x:1: not found": clients.WaitRollout(ctx, clients.Namespace, "x", nil),
		"ConfigMap " + clients.Namespace + "/a cannot be ready: ErrImagePull: x:1: not found":          <-waited,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if ctx.Err() != nil {
		t.Error("it took as long as it could")
	}

	stopped, stop := clients.WhileHopeful(ctx, clients.Namespace, map[string]string{"app": "other"})
	stop()
	if err := clients.Wait(stopped, object, "ready", never); err == nil || !strings.Contains(err.Error(), "was not ready in time") {
		t.Errorf("after stop: got %v", err)
	}
}
