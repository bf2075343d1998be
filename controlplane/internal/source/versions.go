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
	// Ways says of each of the Question's whether it still exists. A snapshot
	// that has one that does not is not new enough.
	Ways map[ir.Ref]bool
}

// Ask asks the API server, past every cache, what exists now in the namespaces
// that decides whether a policy targets a backend there, and which of the ways
// still exist. A snapshot that is as new as the answer misses nothing that was
// written, and has nothing that was deleted, before Ask was called.
func (s *Source) Ask(ctx context.Context, q Question) (*Answer, error) {
	answer := &Answer{Required: Versions{}, Ways: make(map[ir.Ref]bool, len(q.Ways))}
	for _, way := range q.Ways {
		if !slices.ContainsFunc(s.kinds, func(k *kind) bool { return k.is(way) }) {
			return nil, fmt.Errorf("%s %s is of no kind that is watched", way.Kind, way)
		}
		answer.Ways[way] = false
	}
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	for _, k := range s.kinds {
		for _, options := range k.lists(q) {
			group.Go(func() error {
				found, err := s.list(ctx, k, options)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				for i := range found {
					way := ir.Ref{Group: k.group, Kind: k.kind, Name: ir.Name{Namespace: found[i].Namespace, Name: found[i].Name}}
					_, asked := answer.Ways[way]
					if asked {
						answer.Ways[way] = true
					}
					if asked || k.decides {
						answer.Required.raise(k.name, found[i].ResourceVersion)
					}
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answer, nil
}

// lists are what has to be listed of k for an answer.
func (k *kind) lists(q Question) [][]client.ListOption {
	var namespaces, names []string
	if k.decides {
		namespaces = slices.Clone(q.Namespaces)
	}
	for _, way := range q.Ways {
		if k.is(way) {
			namespaces, names = append(namespaces, way.Namespace), append(names, way.Name.Name)
		}
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	if len(namespaces) > allNamespaces {
		namespaces = []string{metav1.NamespaceAll}
	}
	lists := make([][]client.ListOption, 0, len(namespaces))
	for _, namespace := range namespaces {
		options := []client.ListOption{client.InNamespace(namespace)}
		if !k.decides && len(names) == 1 {
			// A new route is alone, and others may be many.
			options = append(options, client.MatchingFields{metav1.ObjectNameField: names[0]})
		}
		lists = append(lists, options)
	}
	return lists
}

// list reads objects of k. A list without a resource version is consistent: it
// has what was written before it was asked for.
func (s *Source) list(ctx context.Context, k *kind, options []client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	gvk, err := apiutil.GVKForObject(k.object, s.options.Scheme)
	if err != nil {
		return nil, err
	}
	list := &metav1.PartialObjectMetadataList{}
	gvk.Kind += "List"
	list.SetGroupVersionKind(gvk)
	if err := s.reader.List(ctx, list, options...); err != nil {
		return nil, fmt.Errorf("list %s: %w", k.name, err)
	}
	return list.Items, nil
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
		if k.counts() {
			now[k.name] = k.store.LastStoreSyncResourceVersion()
		}
	}
	return now
}

// Refresh brings a Delivery whose Seen is at least what Now returned before,
// even where nothing relevant has changed.
func (s *Source) Refresh() {
	for _, k := range s.kinds {
		if k.counts() {
			s.mark(k)
		}
	}
}
