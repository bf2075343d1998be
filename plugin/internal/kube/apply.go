package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// Change says what an apply did to an object.
type Change string

// What an apply can do, in kubectl's words.
const (
	Created    Change = "created"
	Configured Change = "configured"
	Unchanged  Change = "unchanged"
)

// Applied is one object that was applied, or would have been.
type Applied struct {
	// Name is KIND[.GROUP]/NAME, as kubectl prints it.
	Name   string
	Change Change
	// Object is what the API server answered.
	Object *unstructured.Unstructured
}

// ApplyOptions says how to apply.
type ApplyOptions struct {
	// DryRun lets the API server check everything and write nothing.
	DryRun bool
	// Force takes over fields that another field manager owns.
	Force bool
	// ConflictFix is the next step where another field manager owns a field
	// and Force is not set; empty is originate's.
	ConflictFix string
}

// Apply applies the objects in order, server-side, as contract.FieldManager.
// On an error the objects before it have been applied: they are returned too.
func (c *Clients) Apply(ctx context.Context, objects []client.Object, options ApplyOptions) ([]Applied, error) {
	applied := make([]Applied, 0, len(objects))
	for _, object := range objects {
		one, err := c.applyOne(ctx, object, options)
		if err != nil {
			return applied, err
		}
		applied = append(applied, one)
	}
	return applied, nil
}

func (c *Clients) applyOne(ctx context.Context, object client.Object, options ApplyOptions) (Applied, error) {
	manifest, err := c.manifest(object)
	if err != nil {
		return Applied{}, err
	}
	name, err := c.ResourceName(manifest)
	if err != nil {
		return Applied{}, err
	}
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(manifest.GroupVersionKind())
	err = c.Client.Get(ctx, client.ObjectKeyFromObject(manifest), before)
	if client.IgnoreNotFound(err) != nil {
		return Applied{}, c.Explain(fmt.Errorf("get %s: %w", name, err))
	}
	found := err == nil

	applyOptions := []client.ApplyOption{client.FieldOwner(contract.FieldManager)}
	if options.DryRun {
		applyOptions = append(applyOptions, client.DryRunAll)
	}
	if options.Force {
		applyOptions = append(applyOptions, client.ForceOwnership)
	}
	if err := c.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(manifest), applyOptions...); err != nil {
		return Applied{}, c.applyError(name, manifest.GetNamespace(), options, err)
	}
	return Applied{Name: name, Change: changeOf(found, before, manifest), Object: manifest}, nil
}

// manifest is a copy of object that may be overwritten by the answer.
func (c *Clients) manifest(object client.Object) (*unstructured.Unstructured, error) {
	if object.GetObjectKind().GroupVersionKind().Empty() {
		gvk, err := c.Client.GroupVersionKindFor(object)
		if err != nil {
			return nil, fmt.Errorf("apply %s: %w", object.GetName(), err)
		}
		copied, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			return nil, fmt.Errorf("apply %s: %T is not an object", object.GetName(), object)
		}
		copied.GetObjectKind().SetGroupVersionKind(gvk)
		object = copied
	}
	return scaffold.Manifest(object)
}

// changeOf compares content: a dry run answers with a resource version that
// says nothing.
func changeOf(found bool, before, after *unstructured.Unstructured) Change {
	if !found {
		return Created
	}
	if equalContent(before, after) {
		return Unchanged
	}
	return Configured
}

// ResourceName is KIND[.GROUP]/NAME of an object in lower case, as kubectl
// prints it. A kind that the cluster does not serve is an error that says what
// to install.
func (c *Clients) ResourceName(object client.Object) (string, error) {
	gvk := object.GetObjectKind().GroupVersionKind()
	if _, err := c.Client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
		return "", c.kindError(gvk, err)
	}
	return strings.ToLower(gvk.GroupKind().String()) + "/" + object.GetName(), nil
}

func (c *Clients) kindError(gvk schema.GroupVersionKind, err error) error {
	if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return c.Explain(fmt.Errorf("look up kind %s: %w", gvk.Kind, err))
	}
	failure := fail.Failed("the cluster does not serve %s of %s", gvk.Kind, gvk.GroupVersion())
	if gvk.Group == v1alpha1Group {
		return failure.WithFix("kubectl tlsgw install    # or use --policy BackendTLSPolicy with a svc/ target")
	}
	if gvk.Group == gatewayGroup {
		return failure.WithFix("kubectl tlsgw install    # it brings Gateway API too, v1.4 or later of which is needed")
	}
	return failure
}

// applyError names the other field manager of a conflict, and the fields.
func (c *Clients) applyError(name, namespace string, options ApplyOptions, err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return c.Explain(fmt.Errorf("apply %s: %w", name, err))
	}
	switch {
	case apierrors.IsConflict(err) && status.ErrStatus.Details != nil:
		failure := fail.Failed("%s is also managed by others", name)
		for _, cause := range status.ErrStatus.Details.Causes {
			if cause.Type == metav1.CauseTypeFieldManagerConflict {
				failure = failure.WithDetail("%s: %s", cause.Field, cause.Message)
			}
		}
		return failure.WithFix("%s", cmp.Or(options.ConflictFix, "choose another name with --name, or take the fields over with --force"))
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), "namespaces"):
		return fail.Failed("namespace %s does not exist", namespace).WithFix("kubectl create namespace %s", namespace)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fail.Failed("%s is refused by the API server: %s", name, status.ErrStatus.Message)
	default:
		return c.Explain(fmt.Errorf("apply %s: %w", name, err))
	}
}
