package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// unreachableGrace is how long pulls of an image may fail because its registry
// cannot be reached. The kubelet tries again after some 10 and some 30 seconds,
// and then ever later: a network that was away for a moment is back by then.
const unreachableGrace = 30 * time.Second

// UnreachableError means that an image is not pulled, because its registry was
// not reached for a while.
type UnreachableError struct{ Image string }

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("image %s is not on its node, and its registry cannot be reached", e.Image)
}

// outlook tells, from looking at pods again and again, whether waiting for them
// may help.
type outlook struct {
	// unreachable is since when a container waits for a registry.
	unreachable map[containerKey]time.Time
}

type containerKey struct {
	pod  types.UID
	name string
}

func newOutlook() *outlook { return &outlook{unreachable: map[containerKey]time.Time{}} }

// look says why one of the pods with these labels will not become ready
// without somebody's help; nil where waiting may help.
func (o *outlook) look(ctx context.Context, c *Clients, namespace string, labels map[string]string) error {
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return nil //nolint:nilerr // without the pods the time-out has to do
	}
	for i := range pods.Items {
		if err := o.hopeless(&pods.Items[i], time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// hopeless says why a pod will not become ready without somebody's help: its
// image has no valid name, the registry does not give it out, or cannot be
// reached for longer than a moment.
func (o *outlook) hopeless(pod *corev1.Pod, now time.Time) error {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		key := containerKey{pod.UID, status.Name}
		waiting := status.State.Waiting
		switch {
		case waiting == nil:
			delete(o.unreachable, key)
		case refused(waiting):
			return errors.New(shortened(reasoned(waiting.Reason, waiting.Message)))
		case o.unreachable[key].IsZero():
			// Only a pull that fails while somebody looks counts: what the
			// kubelet backs off from may be mended already.
			if waiting.Reason != "ImagePullBackOff" && unreachable(waiting) {
				o.unreachable[key] = now
			}
		case waiting.Reason == "ImagePullBackOff" || unreachable(waiting):
			if now.Sub(o.unreachable[key]) >= unreachableGrace {
				return &UnreachableError{Image: status.Image}
			}
		default:
			delete(o.unreachable, key)
		}
	}
	return nil
}

// refused tells whether there is no such image, or none for this node.
func refused(waiting *corev1.ContainerStateWaiting) bool {
	switch waiting.Reason {
	case "InvalidImageName", "ErrImageNeverPull":
		return true
	case "ErrImagePull", "ImagePullBackOff":
		return says(waiting, "not found", "manifest unknown", "denied", "unauthorized")
	}
	return false
}

// unreachable tells whether a pull has not come as far as the registry.
func unreachable(waiting *corev1.ContainerStateWaiting) bool {
	switch waiting.Reason {
	case "RegistryUnavailable":
		return true
	case "ErrImagePull", "ImagePullBackOff":
		return says(waiting, "no such host", "server misbehaving", "failure in name resolution", "connection refused",
			"i/o timeout", "tls handshake timeout", "network is unreachable", "no route to host")
	}
	return false
}

// says tells whether the message has one of these in it, which are lower case.
func says(waiting *corev1.ContainerStateWaiting, signs ...string) bool {
	message := strings.ToLower(waiting.Message)
	return slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(message, sign) })
}

// WhileHopeful is ctx until waiting for the pods with these labels cannot help:
// then it ends, and its cause is why. Cancel it as any other.
func (c *Clients) WhileHopeful(ctx context.Context, namespace string, labels map[string]string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(rolloutInterval)
		defer tick.Stop()
		for o := newOutlook(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := o.look(ctx, c, namespace, labels); err != nil {
				cancel(&hopelessError{err})
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// hopelessError tells a context that ended by its pods from others.
type hopelessError struct{ error }

func (e *hopelessError) Unwrap() error { return e.error }
