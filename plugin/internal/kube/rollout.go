package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// rolloutInterval is how often a rollout is looked at.
const rolloutInterval = 300 * time.Millisecond

// WaitRollout waits until a Deployment is rolled out: its newest generation
// seen, and all of its replicas updated and available. What is seen meanwhile
// is given to progress, which may be nil, when it changes. The error is a
// fail.CodeFailed one with the lines of PodTrouble; it comes early where
// waiting cannot help, as for an image that does not exist, or whose registry
// cannot be reached.
func (c *Clients) WaitRollout(ctx context.Context, namespace, name string, progress func(seen string)) error {
	tick := time.NewTicker(rolloutInterval)
	defer tick.Stop()
	last := "the object was not there"
	deployment := &appsv1.Deployment{}
	pods := newOutlook()
	for {
		seen, done, err := c.rolledOut(ctx, client.ObjectKey{Namespace: namespace, Name: name}, deployment)
		if err == nil && !done && deployment.UID != "" {
			err = pods.look(ctx, c, namespace, matchLabels(deployment))
		}
		switch {
		case done:
			return nil
		case err != nil:
			return c.rolloutTrouble(ctx, deployment, fail.Failed("deployment %s/%s cannot become available: %w", namespace, name, err))
		case ctx.Err() == nil && seen != last:
			last = seen
			if progress != nil {
				progress(seen)
			}
		}
		select {
		case <-ctx.Done():
			failure := fail.Failed("deployment %s/%s was not available in time; last seen: %s", namespace, name, last)
			if errors.Is(ctx.Err(), context.Canceled) {
				failure = fail.Failed("interrupted before deployment %s/%s was available; last seen: %s", namespace, name, last)
			}
			return c.rolloutTrouble(ctx, deployment, failure)
		case <-tick.C:
		}
	}
}

// rolledOut looks once. An error means that waiting will not help.
func (c *Clients) rolledOut(ctx context.Context, key client.ObjectKey, deployment *appsv1.Deployment) (seen string, done bool, err error) {
	if err := c.Client.Get(ctx, key, deployment); err != nil {
		if apierrors.IsForbidden(err) {
			return "", false, err
		}
		return err.Error(), false, nil // the API server may be back in a moment
	}
	seen, done = rolloutState(deployment)
	return seen, done, nil
}

// rolloutState tells whether a Deployment is rolled out, and what is seen.
func rolloutState(deployment *appsv1.Deployment) (seen string, done bool) {
	want := int32(1)
	if deployment.Spec.Replicas != nil {
		want = *deployment.Spec.Replicas
	}
	status := deployment.Status
	switch {
	case status.ObservedGeneration < deployment.Generation:
		return "its newest state was not looked at yet", false
	case status.UpdatedReplicas < want:
		return fmt.Sprintf("%d of %d pods made", status.UpdatedReplicas, want), false
	case status.AvailableReplicas < want:
		return fmt.Sprintf("%d of %d pods available", status.AvailableReplicas, want), false
	case status.Replicas > status.UpdatedReplicas:
		return fmt.Sprintf("%d old pods still there", status.Replicas-status.UpdatedReplicas), false
	}
	return fmt.Sprintf("%d pods available", want), true
}

func (c *Clients) rolloutTrouble(ctx context.Context, deployment *appsv1.Deployment, failure *fail.Error) error {
	if deployment.UID == "" {
		return failure
	}
	failure.Details = append(failure.Details, c.PodTrouble(ctx, deployment.Namespace, matchLabels(deployment))...)
	if missing, ok := errors.AsType[*UnreachableError](failure.Err); ok {
		return failure.WithFix("let the nodes reach its registry, or a mirror of it; a node that is a container of Docker can be given the image: %s", GiveImage("docker", "NODE", missing.Image))
	}
	return failure.WithFix("kubectl describe deployment,pods -n %s -l %s", deployment.Namespace, labels.SelectorFromSet(matchLabels(deployment)))
}

// GiveImage is a command that gives an image which a container engine has to a
// node that is one of its containers.
func GiveImage(engine, node, image string) string {
	return fmt.Sprintf("%s save %s | %[1]s exec -i %[3]s ctr -n k8s.io images import -", engine, image, node)
}

func matchLabels(deployment *appsv1.Deployment) map[string]string {
	if deployment.Spec.Selector == nil {
		return nil
	}
	return deployment.Spec.Selector.MatchLabels
}
