package source

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Versions says, for each kind that decides whether a policy targets a
// backend, a resource version up to which it has been or must be seen.
//
// Resource versions of one kind are ordered, and a cache's goes up with every
// change that it takes in, deletions included. So a cache that has reached
// the version of an object has seen that object, whether or not it has been
// deleted since: nothing waits for an object that is gone.
type Versions map[string]string

// Covers tells whether everything up to required has been seen.
func (v Versions) Covers(required Versions) bool {
	for name, want := range required {
		order, err := resourceversion.CompareResourceVersion(v[name], want)
		// What cannot be compared has not been seen: fail closed.
		if err != nil || order < 0 {
			return false
		}
	}
	return true
}

// allNamespaces is how many namespaces are listed one by one; for more, all
// are listed at once.
const allNamespaces = 4

// Require asks the API server, past every cache, what exists now in the
// namespaces that decides whether a policy targets a backend there. A
// snapshot whose Seen covers the answer misses nothing that was written
// before Require was called.
func (s *Source) Require(ctx context.Context, namespaces []string) (Versions, error) {
	if len(namespaces) > allNamespaces {
		namespaces = []string{metav1.NamespaceAll}
	}
	type answer struct{ name, version string }
	answers := make(chan answer, len(s.kinds)*len(namespaces))
	group, ctx := errgroup.WithContext(ctx)
	for _, k := range s.kinds {
		if !k.decides {
			continue
		}
		for _, namespace := range namespaces {
			group.Go(func() error {
				version, err := s.newest(ctx, k, namespace)
				if err != nil {
					return fmt.Errorf("list %s in namespace %q: %w", k.name, namespace, err)
				}
				answers <- answer{k.name, version}
				return nil
			})
		}
	}
	err := group.Wait()
	close(answers)
	if err != nil {
		return nil, err
	}
	required := Versions{}
	for a := range answers {
		required.raise(a.name, a.version)
	}
	return required, nil
}

// raise makes v require at least version of name.
func (v Versions) raise(name, version string) {
	if version == "" {
		return
	}
	if order, err := resourceversion.CompareResourceVersion(v[name], version); err == nil && order >= 0 {
		return
	}
	v[name] = version
}

// newest is the highest resource version of k's objects in a namespace, empty
// where there are none. A list without a resource version is consistent: it
// has what was written before it was asked for.
func (s *Source) newest(ctx context.Context, k *kind, namespace string) (string, error) {
	gvk, err := apiutil.GVKForObject(k.object, s.options.Scheme)
	if err != nil {
		return "", err
	}
	list := &metav1.PartialObjectMetadataList{}
	gvk.Kind += "List"
	list.SetGroupVersionKind(gvk)
	if err := s.reader.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return "", err
	}
	newest := Versions{}
	for i := range list.Items {
		newest.raise(k.name, list.Items[i].ResourceVersion)
	}
	return newest[k.name], nil
}

// Now says how far the caches have come, which is at least as far as the last
// Delivery.
func (s *Source) Now() Versions {
	now := Versions{}
	for _, k := range s.kinds {
		if k.decides {
			now[k.name] = k.store.LastStoreSyncResourceVersion()
		}
	}
	return now
}

// Refresh brings a Delivery whose Seen is at least what Now returned before,
// even where nothing relevant has changed.
func (s *Source) Refresh() {
	for _, k := range s.kinds {
		if k.decides {
			s.mark(k)
		}
	}
}
