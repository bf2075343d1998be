// Package source watches the Kubernetes API and turns what it sees into
// snapshots.
//
// In come a connection and the kinds that the controller serves; out come
// immutable snapshots on a channel where the latest wins, first when every
// cache has synced, later when something that a translation reads has changed
// and the changes have paused. A write of status alone brings no snapshot: it
// is only reported to Options.Observe.
//
// Snapshots say how much of each kind they have seen, so that the controller
// can ask the API server (Ask) whether a snapshot is new enough to open a
// backend without TLS.
package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// Options configure a Source.
type Options struct {
	// Scheme knows every kind of a snapshot.
	Scheme *runtime.Scheme
	// Quiet is how long nothing may change before a snapshot is taken, and
	// Cap how long changes that do not pause can put it off.
	Quiet, Cap time.Duration
	Clock      clock.WithTicker
	Log        logr.Logger
	// Observe is told of every object whose status the controller writes, as
	// often as it changes in any way. It must return quickly.
	Observe func(client.Object)
}

// Delivery is a snapshot and what it has seen.
type Delivery struct {
	*snapshot.Snapshot
	// Seen is how far the kinds have been read that decide whether a policy
	// targets a backend, or that lead to one.
	Seen Versions
}

// Source watches. Make one with New.
type Source struct {
	options    Options
	cache      cache.Cache
	reader     client.Reader
	kinds      []*kind
	dirty      chan struct{}
	deliveries chan Delivery
	synced     atomic.Bool
}

// New prepares to watch through config. It fails, naming what is missing and
// how to install it, when the API server does not serve one of the kinds.
func New(config *rest.Config, o Options) (*Source, error) {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the API server: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("discover the API server's resources: %w", err)
	}
	s := &Source{
		options:    o,
		dirty:      make(chan struct{}, 1),
		deliveries: make(chan Delivery, 1),
	}
	if s.kinds, err = served(mapper, o.Scheme); err != nil {
		return nil, err
	}
	byObject := make(map[client.Object]cache.ByObject, len(s.kinds))
	for _, k := range s.kinds {
		byObject[k.object] = k.options
	}
	s.cache, err = cache.New(config, cache.Options{
		HTTPClient: httpClient, Scheme: o.Scheme, Mapper: mapper, ByObject: byObject,
		DefaultWatchErrorHandler: s.watchFailed,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the caches: %w", err)
	}
	s.reader, err = client.New(config, client.Options{HTTPClient: httpClient, Scheme: o.Scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("prepare the reader: %w", err)
	}
	return s, nil
}

// Run watches until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	for _, k := range s.kinds {
		if err := s.watch(ctx, k); err != nil {
			return fmt.Errorf("watch %s: %w", k.name, err)
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	running.Go(func() { failed <- s.cache.Start(ctx) })
	if !s.cache.WaitForCacheSync(ctx) {
		cancel()
		return errors.Join(ctxErr(ctx), <-failed)
	}
	s.synced.Store(true)
	s.options.Log.Info("caches have synced", "kinds", len(s.kinds))
	s.deliver()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-s.dirty:
		}
		if settle(ctx, s.options, s.dirty) {
			s.deliver()
		}
	}
}

// ctxErr is nil for a context that was only cancelled: that is how a Source
// is stopped.
func ctxErr(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return ctx.Err()
}

// Deliveries gives the latest snapshot that has not been received yet.
func (s *Source) Deliveries() <-chan Delivery { return s.deliveries }

// Synced tells whether every cache has synced.
func (s *Source) Synced() bool { return s.synced.Load() }

// Get returns the cached object that ref names. It must not be modified.
func (s *Source) Get(ref ir.Ref) (client.Object, bool) {
	for _, k := range s.kinds {
		if !k.is(ref) {
			continue
		}
		key := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name.Name}
		cached, found, err := k.store.GetByKey(toolscache.NewObjectName(key.Namespace, key.Name).String())
		if err != nil || !found {
			return nil, false
		}
		object, ok := cached.(client.Object)
		return object, ok
	}
	return nil, false
}

// watch starts an informer for k.
func (s *Source) watch(ctx context.Context, k *kind) error {
	informer, err := s.cache.GetInformer(ctx, k.object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return fmt.Errorf("informer is a %T, which has no store", informer)
	}
	k.store = shared.GetStore()
	k.stale.Store(true)
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(added any) { s.event(k, nil, added) },
		UpdateFunc: func(before, after any) {
			s.event(k, before, after)
		},
		DeleteFunc: func(any) { s.mark(k) },
	})
	return err
}

func (s *Source) event(k *kind, before, after any) {
	object, ok := after.(client.Object)
	if !ok {
		return
	}
	if k.status && s.options.Observe != nil {
		s.options.Observe(object)
	}
	if old, ok := before.(client.Object); ok && !relevant(old, object) {
		return
	}
	s.mark(k)
}

// mark notes that k's part of the last snapshot is out of date.
func (s *Source) mark(k *kind) {
	k.stale.Store(true)
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// deliver takes a snapshot and puts it in the place of one that nobody has
// received. Only Run calls it.
func (s *Source) deliver() {
	d := Delivery{Snapshot: &snapshot.Snapshot{}, Seen: Versions{}}
	for _, k := range s.kinds {
		k.refresh()
		k.put(d.Snapshot)
		if k.counts() {
			d.Seen[k.name] = k.seen
		}
	}
	select {
	case <-s.deliveries:
	default:
	}
	s.deliveries <- d
}

// watchFailed reports why a watch ended. Informers try again by themselves;
// this is what a person sees when, say, a ClusterRole lacks a rule.
func (s *Source) watchFailed(ctx context.Context, r *toolscache.Reflector, err error) {
	if ctx.Err() != nil {
		return
	}
	s.options.Log.Error(err, "watch failed, trying again", "type", r.TypeDescription())
}
