package source

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Versions says, for each kind that decides whether a policy targets a backend
// or that leads to one, a resource version up to which it has been or must be
// seen.
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

// Question is about the ways to backends without TLS.
type Question struct {
	// Namespaces of the backends.
	Namespaces []string
	// Ways are objects that lead to the backends, or are them, as a snapshot
	// has them.
	Ways []ir.Ref
}

// Answer says what a snapshot must have taken in to be as new as the Question.
type Answer struct {
	// Required has to be covered by its Seen.
	Required Versions
	// Gone are the ways that have been deleted.
	Gone []ir.Ref
}

// Ask asks the API server, past every cache, what exists now in the namespaces
// that decides whether a policy targets a backend there, and whether the ways
// still exist. A snapshot whose Seen covers what is required and that has none
// of the ways that are gone misses nothing that was written before Ask was
// called.
func (s *Source) Ask(ctx context.Context, q Question) (*Answer, error) {
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	answer := &Answer{Required: Versions{}}
	for _, k := range s.kinds {
		var ways []ir.Ref
		var namespaces []string
		if k.decides {
			namespaces = slices.Clone(q.Namespaces)
		}
		for _, way := range q.Ways {
			if way.Kind == k.kind && way.Group == k.group {
				ways, namespaces = append(ways, way), append(namespaces, way.Namespace)
			}
		}
		group.Go(func() error {
			found, err := s.list(ctx, k, namespaces)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			exists := map[ir.Name]bool{}
			for i := range found {
				answer.Required.raise(k.name, found[i].ResourceVersion)
				exists[ir.Name{Namespace: found[i].Namespace, Name: found[i].Name}] = true
			}
			answer.Gone = append(answer.Gone, slices.DeleteFunc(ways, func(way ir.Ref) bool { return exists[way.Name] })...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answer, nil
}

// list reads k's objects in the namespaces. A list without a resource version
// is consistent: it has what was written before it was asked for.
func (s *Source) list(ctx context.Context, k *kind, namespaces []string) ([]metav1.PartialObjectMetadata, error) {
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	if len(namespaces) > allNamespaces {
		namespaces = []string{metav1.NamespaceAll}
	}
	gvk, err := apiutil.GVKForObject(k.object, s.options.Scheme)
	if err != nil {
		return nil, err
	}
	gvk.Kind += "List"
	var found []metav1.PartialObjectMetadata
	for _, namespace := range namespaces {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk)
		if err := s.reader.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("list %s in namespace %q: %w", k.name, namespace, err)
		}
		found = append(found, list.Items...)
	}
	return found, nil
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

// Now says how far the caches have come, which is at least as far as the last
// Delivery.
func (s *Source) Now() Versions {
	now := Versions{}
	for _, k := range s.kinds {
		if k.decides || k.leads {
			now[k.name] = k.store.LastStoreSyncResourceVersion()
		}
	}
	return now
}

// Refresh brings a Delivery whose Seen is at least what Now returned before,
// even where nothing relevant has changed.
func (s *Source) Refresh() {
	for _, k := range s.kinds {
		if k.decides || k.leads {
			s.mark(k)
		}
	}
}
