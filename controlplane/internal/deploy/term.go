package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// kinds are those of the objects, in the order in which they are deleted.
func kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
		corev1.SchemeGroupVersion.WithKind("Service"),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		corev1.SchemeGroupVersion.WithKind(secretKind),
	}
}

// term is one Run of a Writer: its caches, which hold only what is labelled as
// deployed by the controller, and its queue.
type term struct {
	*Writer
	// api reads and writes at the API server, cache has what has been there.
	api   client.Client
	cache cache.Cache
	queue workqueue.TypedRateLimitingInterface[ir.Name]
	heals workqueue.TypedRateLimiter[ir.Name]
	// again asks for a look at everything.
	again chan struct{}

	mu sync.Mutex
	// desired are the objects of each Gateway as they were wanted last.
	desired map[ir.Name][]*unstructured.Unstructured
}

func newTerm(w *Writer) (*term, error) {
	config := rest.CopyConfig(w.options.Config)
	// The API server's priority and fairness limits better than a client that
	// knows only itself; a timeout would end watches too.
	config.QPS, config.RateLimiter, config.Timeout = -1, nil, 0
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("deploy proxies: prepare the connection to the API server: %w", err)
	}
	api, err := client.New(config, client.Options{HTTPClient: httpClient})
	if err != nil {
		return nil, fmt.Errorf("deploy proxies: connect to the API server at %s: %w", config.Host, err)
	}
	deployed, err := cache.New(config, cache.Options{
		HTTPClient: httpClient, Mapper: api.RESTMapper(),
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{contract.LabelManagedBy: contract.ProxyManager}),
		DefaultTransform:     cache.TransformStripManagedFields(),
		DefaultWatchErrorHandler: func(ctx context.Context, r *toolscache.Reflector, err error) {
			if ctx.Err() == nil {
				w.options.Log.Error(err, "watch failed, trying again", "type", r.TypeDescription())
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("deploy proxies: prepare the caches: %w", err)
	}
	return &term{
		Writer: w, api: api, cache: deployed, again: make(chan struct{}, 1),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[ir.Name](retryFirst, retryMost)),
		heals:   workqueue.NewTypedItemExponentialFailureRateLimiter[ir.Name](retryFirst, healMost),
		desired: map[ir.Name][]*unstructured.Unstructured{},
	}, nil
}

func empty(kind schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	return object
}

// run works until ctx ends.
func (t *term) run(ctx context.Context) error {
	defer t.queue.ShutDown()
	for _, kind := range kinds() {
		informer, err := t.cache.GetInformer(ctx, empty(kind), cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("deploy proxies: watch %s: %w", kind.Kind, err)
		}
		if _, err := informer.AddEventHandler(t.events()); err != nil {
			return fmt.Errorf("deploy proxies: watch %s: %w", kind.Kind, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	failed := make(chan error, 1)
	running.Go(func() { failed <- t.cache.Start(ctx) })
	if !t.cache.WaitForCacheSync(ctx) {
		cancel()
		return errors.Join(<-failed, stopped(ctx))
	}
	t.all(ctx)
	for range t.options.Workers {
		running.Go(func() {
			for t.next(ctx) {
				// Until the queue is shut down.
			}
		})
	}
	running.Go(func() { t.renew(ctx) })
	select {
	case <-ctx.Done():
	case err := <-failed:
		if err != nil && ctx.Err() == nil {
			t.queue.ShutDown()
			return fmt.Errorf("deploy proxies: watch: %w", err)
		}
	}
	t.queue.ShutDown()
	return nil
}

// stopped is nil for a context that was only cancelled: that is how a term
// ends.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return ctx.Err()
}

// renew looks at all certificates now and then, and when the issuer says so.
func (t *term) renew(ctx context.Context) {
	ticker := t.options.Clock.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.options.Issuer.Changed():
		case <-ticker.C():
		case <-t.again:
		}
		t.all(ctx)
	}
}

// now queues a Gateway without a pause, whatever has been tried before.
func (t *term) now(gateway ir.Name) {
	t.queue.Forget(gateway)
	t.heals.Forget(gateway)
	t.queue.Add(gateway)
}

// all queues every Gateway for which something is wanted or there.
func (t *term) all(ctx context.Context) {
	for _, gateway := range t.gateways() {
		t.now(gateway)
	}
	for _, kind := range kinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := t.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			// The term ends.
			return
		}
		for i := range list.Items {
			if owner, found := ownerOf(&list.Items[i]); found {
				t.now(owner)
			}
		}
	}
}

// ownerOf names the Gateway that an object belongs to.
func ownerOf(object client.Object) (ir.Name, bool) {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != gatewayKind || !strings.HasPrefix(owner.APIVersion, gatewayv1.GroupName+"/") {
		return ir.Name{}, false
	}
	return ir.Name{Namespace: object.GetNamespace(), Name: owner.Name}, true
}

// controllerUID is empty where nothing controls an object.
func controllerUID(object client.Object) types.UID {
	owner := metav1.GetControllerOf(object)
	if owner == nil {
		return ""
	}
	return owner.UID
}

func (t *term) events() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(added any) { t.event(added, false) },
		UpdateFunc: func(_, after any) { t.event(after, false) },
		DeleteFunc: func(gone any) {
			if tombstone, missed := gone.(toolscache.DeletedFinalStateUnknown); missed {
				gone = tombstone.Obj
			}
			t.event(gone, true)
		},
	}
}

// event queues the Gateway of an object that has changed. Whoever keeps
// changing what we want is answered ever more slowly, so that two controllers
// do not fight at full speed.
func (t *term) event(of any, gone bool) {
	object, ok := of.(*unstructured.Unstructured)
	if !ok {
		return
	}
	gateway, found := ownerOf(object)
	if !found {
		return
	}
	t.mu.Lock()
	desired := t.desired[gateway]
	t.mu.Unlock()
	for _, d := range desired {
		if same(d, object) && (gone || !covers(object.Object, d.Object)) {
			t.queue.AddAfter(gateway, t.heals.When(gateway))
			return
		}
	}
	t.queue.Add(gateway)
}

// same tells whether two objects have one kind and name.
func same(a, b *unstructured.Unstructured) bool {
	return a.GroupVersionKind().GroupKind() == b.GroupVersionKind().GroupKind() &&
		a.GetNamespace() == b.GetNamespace() && a.GetName() == b.GetName()
}

func (t *term) next(ctx context.Context) bool {
	gateway, shutDown := t.queue.Get()
	if shutDown {
		return false
	}
	defer t.queue.Done(gateway)
	problem, err := t.keep(ctx, gateway)
	if ctx.Err() != nil {
		return true
	}
	if err == nil {
		t.queue.Forget(gateway)
		t.report(gateway, problem)
		return true
	}
	t.options.Log.Info("proxies are not deployed as they should be, trying again", "gateway", gateway.String(), "reason", err.Error())
	t.report(gateway, err.Error())
	t.queue.AddRateLimited(gateway)
	return true
}

// bounded is a context for one request.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, writeTimeout)
}
