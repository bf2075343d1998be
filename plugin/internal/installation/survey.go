package installation

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// atOnce is how many requests are under way at the same time.
const atOnce = 8

// survey is what a cluster has of what an installation is made of.
type survey struct {
	// definitions that are there, by name.
	definitions map[string]*apiextensionsv1.CustomResourceDefinition
	// objects that are there, by key.
	objects map[string]*unstructured.Unstructured
	// guarded is true where the policy safeUpgrades is there.
	guarded bool
}

// key tells objects apart.
func key(object client.Object) string {
	return kube.NameOf(object) + " -n " + object.GetNamespace()
}

// look reads the definitions of every channel, and the objects given.
func look(ctx context.Context, clients *kube.Clients, objects []client.Object) (*survey, error) {
	s := &survey{
		definitions: map[string]*apiextensionsv1.CustomResourceDefinition{},
		objects:     map[string]*unstructured.Unstructured{},
	}
	known, err := definitions(ChannelExperimental)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, definition := range known {
		group.Go(func() error {
			there := &apiextensionsv1.CustomResourceDefinition{}
			found, err := get(ctx, clients, definition, there)
			if found {
				mu.Lock()
				defer mu.Unlock()
				s.definitions[there.Name] = there
			}
			return err
		})
	}
	for _, object := range objects {
		if _, isDefinition := object.(*apiextensionsv1.CustomResourceDefinition); isDefinition {
			continue
		}
		group.Go(func() error {
			there := &unstructured.Unstructured{}
			there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
			found, err := get(ctx, clients, object, there)
			if found {
				mu.Lock()
				defer mu.Unlock()
				s.objects[key(object)] = there
			}
			return err
		})
	}
	group.Go(func() (err error) {
		policy := &metav1.PartialObjectMetadata{}
		policy.APIVersion, policy.Kind, policy.Name = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", safeUpgrades
		s.guarded, err = get(ctx, clients, policy, policy)
		if apierrors.IsForbidden(errors.Unwrap(err)) || fail.Code(err) == fail.CodeFailed {
			return nil // the API server says it when it is asked to change something
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s, nil
}

// get tells whether an object is there. A kind that is not served has none.
func get(ctx context.Context, clients *kube.Clients, wanted, into client.Object) (bool, error) {
	err := clients.Client.Get(ctx, client.ObjectKeyFromObject(wanted), into)
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return false, nil
	}
	return false, clients.Explain(fmt.Errorf("get %s: %w", kube.NameOf(wanted), err))
}
