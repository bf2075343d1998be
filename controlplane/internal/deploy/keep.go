package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// annotationApplied is the digest of what was applied: it tells when something
// is no longer wanted, which a comparison with what is there cannot.
const annotationApplied = "tlsgw.dev/applied"

const deploymentKind = "Deployment"

// keep makes the cluster have what is wanted for a Gateway. An error is worth
// another attempt; a problem is one that others have to end.
func (t *term) keep(ctx context.Context, gateway ir.Name) (problem string, err error) {
	spec, wanted, ready := t.spec(gateway)
	switch {
	case !ready:
		return "", nil
	case !wanted:
		t.remember(gateway, nil)
		return "", t.prune(ctx, gateway, nil)
	case spec.Frozen:
		t.remember(gateway, nil)
		return "", t.keepIdentity(ctx, spec)
	}
	token, err := t.drainToken(ctx, spec)
	if err != nil {
		return "", err
	}
	objects, err := Objects(spec, t.options.Proxy, token)
	if err != nil {
		return "", err
	}
	desired := make([]*unstructured.Unstructured, 0, len(objects)+1)
	for _, object := range objects {
		d, err := applied(object)
		if err != nil {
			return "", err
		}
		desired = append(desired, d)
	}
	t.remember(gateway, desired)
	live, err := t.applyAll(ctx, spec, desired)
	if err != nil {
		return "", err
	}
	return trouble(live), t.prune(ctx, gateway, desired)
}

func (t *term) remember(gateway ir.Name, desired []*unstructured.Unstructured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if desired == nil {
		delete(t.desired, gateway)
		return
	}
	t.desired[gateway] = desired
}

// applyAll applies everything, and the Deployment only if all that its pods
// use is the Gateway's own. It gives the Deployment as it is.
func (t *term) applyAll(ctx context.Context, spec Spec, desired []*unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var failed []error
	if err := t.applyIdentity(ctx, spec); err != nil {
		failed = append(failed, err)
	}
	var deployment *unstructured.Unstructured
	for _, d := range desired {
		if d.GetKind() == deploymentKind && len(failed) > 0 {
			break
		}
		live, err := t.apply(ctx, spec, d)
		if err != nil {
			failed = append(failed, err)
		}
		if d.GetKind() == deploymentKind {
			deployment = live
		}
	}
	return deployment, errors.Join(failed...)
}

// applied is an object as it is applied.
func applied(object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("convert %T %s: %w", object, object.GetName(), err)
	}
	delete(content, "status")
	dropNull(content)
	d := &unstructured.Unstructured{Object: content}
	// Keys have no place in a digest that everybody can read. The certificate
	// stands for its key.
	hashed := d.DeepCopy()
	unstructured.RemoveNestedField(hashed.Object, "data", keyKey)
	encoded, err := json.Marshal(hashed.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", d.GetKind(), d.GetName(), err)
	}
	sum := sha256.Sum256(encoded)
	d.SetAnnotations(together(d.GetAnnotations(), map[string]string{annotationApplied: hex.EncodeToString(sum[:])}))
	return d, nil
}

// dropNull takes out what is null, which Go types write for want of a value.
func dropNull(node any) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if value == nil {
				delete(n, key)
				continue
			}
			dropNull(value)
		}
	case []any:
		for _, item := range n {
			dropNull(item)
		}
	}
}

// apply makes an object be as desired, and gives it as it is.
func (t *term) apply(ctx context.Context, spec Spec, desired *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live, err := t.find(ctx, desired)
	if err != nil {
		return nil, err
	}
	if live == nil {
		// Without force: where somebody has created it this very moment, it is
		// theirs.
		return desired, t.write(ctx, desired, client.FieldOwner(contract.ProxyManager))
	}
	if err := t.owned(ctx, spec, live); err != nil {
		return live, err
	}
	if covers(live.Object, desired.Object) {
		return live, nil
	}
	// An object of this name that has come in its place is not this one.
	desired = desired.DeepCopy()
	desired.SetUID(live.GetUID())
	return live, t.write(ctx, desired, client.FieldOwner(contract.ProxyManager), client.ForceOwnership)
}

func (t *term) write(ctx context.Context, desired *unstructured.Unstructured, o ...client.ApplyOption) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := t.api.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired.DeepCopy()), o...)
	t.options.Observe(desired.GetKind(), err)
	if err != nil {
		return fmt.Errorf("apply %s: %w", describe(desired), err)
	}
	t.options.Log.Info("applied", "kind", desired.GetKind(), "object", desired.GetNamespace()+"/"+desired.GetName())
	return nil
}

// find gives the object that desired names: from the cache, or, where it could
// be somebody else's, from the API server. It is nil where there is none.
func (t *term) find(ctx context.Context, desired *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := empty(desired.GroupVersionKind())
	err := t.cache.Get(ctx, client.ObjectKeyFromObject(desired), live)
	if err == nil {
		return live, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("look for %s: %w", describe(desired), err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(desired.GroupVersionKind())
	// A list, as the controller may list and watch these kinds anyway.
	err = t.api.List(ctx, list, client.InNamespace(desired.GetNamespace()), client.MatchingFields{"metadata.name": desired.GetName()})
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for %s: %w", describe(desired), err)
	case len(list.Items) == 0:
		return nil, nil
	}
	return &list.Items[0], nil
}

// owned is nil for an object that is deployed for the Gateway.
func (t *term) owned(ctx context.Context, spec Spec, live *unstructured.Unstructured) error {
	owner, controlled := ownerOf(live)
	same := controllerUID(live) == spec.uid()
	switch {
	case same && !labelled(live):
		// Of a Gateway that had another class.
		return fmt.Errorf("%s is in the way: another controller has made it for Gateway %s, and it is left as it is; delete it, or rename the Gateway",
			describe(live), spec.Gateway)
	case same && live.GetDeletionTimestamp() == nil:
		return nil
	case same:
		return fmt.Errorf("%s is being deleted; it will be made anew", describe(live))
	case controlled && owner == spec.Gateway && live.GetLabels()[contract.LabelManagedBy] == contract.ProxyManager:
		// Its Gateway is gone: there is one of another UID in its place.
		if err := t.delete(ctx, live); err != nil {
			return err
		}
		return fmt.Errorf("%s belongs to a Gateway of this name that was deleted; it is made anew", describe(live))
	}
	return fmt.Errorf("%s is in the way: it does not belong to Gateway %s and is left as it is; delete or rename it, or rename the Gateway",
		describe(live), spec.Gateway)
}

// labelled tells whether an object has a label of ours. One that somebody has
// taken off is put back.
func labelled(live *unstructured.Unstructured) bool {
	labels := live.GetLabels()
	return labels[contract.LabelManagedBy] == contract.ProxyManager || labels[contract.LabelName] == contract.ProxyApp
}

// prune deletes what belongs to a Gateway and is not among desired.
func (t *term) prune(ctx context.Context, gateway ir.Name, desired []*unstructured.Unstructured) error {
	var failed []error
	for _, kind := range kinds() {
		if desired != nil && kind.Kind == secretKind {
			// There is always one, and never more.
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		err := t.cache.List(ctx, list, client.InNamespace(gateway.Namespace),
			client.MatchingLabels{contract.LabelGatewayName: contract.GatewayLabel(gateway.Name)})
		if err != nil {
			return fmt.Errorf("list what is deployed for Gateway %s: %w", gateway, err)
		}
		for i := range list.Items {
			live := &list.Items[i]
			owner, found := ownerOf(live)
			kept := slices.ContainsFunc(desired, func(d *unstructured.Unstructured) bool { return same(d, live) })
			if !found || owner != gateway || kept || live.GetDeletionTimestamp() != nil {
				continue
			}
			failed = append(failed, t.delete(ctx, live))
		}
	}
	return errors.Join(failed...)
}

func (t *term) delete(ctx context.Context, live *unstructured.Unstructured) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	uid := live.GetUID()
	err := client.IgnoreNotFound(t.api.Delete(ctx, live, client.Preconditions{UID: &uid},
		client.PropagationPolicy(metav1.DeletePropagationBackground)))
	t.options.Observe(live.GetKind(), err)
	if err != nil {
		return fmt.Errorf("delete %s: %w", describe(live), err)
	}
	t.options.Log.Info("deleted", "kind", live.GetKind(), "object", live.GetNamespace()+"/"+live.GetName())
	return nil
}

func describe(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}
