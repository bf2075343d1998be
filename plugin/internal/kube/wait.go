package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// rewatchPause keeps a server that closes every watch at once from being
// asked in a tight loop.
const rewatchPause = 200 * time.Millisecond

// Condition says whether an object is as awaited, and in a few words what is
// seen instead.
type Condition func(object client.Object) (done bool, seen string)

// Wait watches one object, which needs only its name and namespace, until
// condition holds. When ctx ends first, the error says what was awaited and
// what was last seen, or why waiting cannot help (see WhileHopeful). On success
// object is as last seen.
func (c *Clients) Wait(ctx context.Context, object client.Object, awaited string, condition Condition) error {
	list, err := c.listFor(object)
	if err != nil {
		return err
	}
	seen := "the object was not there"
	for {
		watcher, err := c.Client.Watch(ctx, list, client.InNamespace(object.GetNamespace()),
			client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", object.GetName())})
		if err != nil && ctx.Err() == nil {
			return c.Explain(fmt.Errorf("watch %s %s: %w", kindOf(c, object), object.GetName(), err))
		}
		if err == nil {
			done := follow(ctx, watcher, object, condition, &seen)
			watcher.Stop()
			if done {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if why, ok := errors.AsType[*hopelessError](context.Cause(ctx)); ok {
				return fail.Failed("%s %s cannot be %s: %w", kindOf(c, object), client.ObjectKeyFromObject(object), awaited, why)
			}
			return fail.Failed("%s %s was not %s in time; last seen: %s",
				kindOf(c, object), client.ObjectKeyFromObject(object), awaited, seen)
		case <-time.After(rewatchPause):
		}
	}
}

// follow reads one watch to its end. A watch without a resource version
// begins with the object as it is now.
func follow(ctx context.Context, watcher watch.Interface, object client.Object, condition Condition, seen *string) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case event, open := <-watcher.ResultChan():
			if !open || event.Type == watch.Error {
				return false
			}
			current, ok := event.Object.(client.Object)
			if !ok {
				continue
			}
			if event.Type == watch.Deleted {
				*seen = "it was deleted"
				continue
			}
			var done bool
			if done, *seen = condition(current); done {
				copyInto(current, object)
				return true
			}
		}
	}
}

func (c *Clients) listFor(object client.Object) (client.ObjectList, error) {
	gvk, err := c.Client.GroupVersionKindFor(object)
	if err != nil {
		return nil, fmt.Errorf("wait: %w", err)
	}
	gvk.Kind += "List"
	if !c.Client.Scheme().Recognizes(gvk) {
		unknown := &unstructured.UnstructuredList{}
		unknown.SetGroupVersionKind(gvk)
		return unknown, nil
	}
	list, err := c.Client.Scheme().New(gvk)
	if err != nil {
		return nil, fmt.Errorf("wait: %w", err)
	}
	typed, ok := list.(client.ObjectList)
	if !ok {
		return nil, fmt.Errorf("wait: %s is not a list of objects", gvk)
	}
	return typed, nil
}

// copyInto gives the caller's object the state that was awaited; objects of
// another Go type are left as they are.
func copyInto(from, to client.Object) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(from)
	if err != nil {
		return
	}
	_ = runtime.DefaultUnstructuredConverter.FromUnstructured(content, to)
}

func kindOf(c *Clients, object client.Object) string {
	gvk, err := c.Client.GroupVersionKindFor(object)
	if err != nil {
		return "object"
	}
	return gvk.Kind
}
