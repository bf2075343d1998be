// Package status writes the status of every object that the controller
// serves. It is the one writer.
//
// In come the statuses of a translation, what the proxies of each Gateway have
// answered (Complete puts the two together), and the objects as the caches
// have them; out go writes, one for each object whose status does not yet say
// what it must. Transition times stay while a condition's status stays, other
// controllers' entries are left alone, and what the controller said of an
// object that is no longer its business is taken back.
package status

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// Options configure a Writer.
type Options struct {
	// Client writes. It must not limit its own rate: the API server's
	// priority and fairness does that better.
	Client client.StatusClient
	// Get reads an object from the caches.
	Get func(ir.Ref) (client.Object, bool)
	// ControllerName marks the entries that are the controller's own.
	ControllerName string
	// Workers write at the same time. Zero means 16.
	Workers int
	// Wrote is told of every write; its error is nil for one that succeeded.
	// Nil: nobody is.
	Wrote func(kind string, err error)
	Clock clock.PassiveClock
	Log   logr.Logger
}

const (
	defaultWorkers = 16
	// A write that fails is tried again after a pause that doubles from
	// retryFirst to retryMost. A status that somebody else keeps changing is
	// brought back ever more slowly, down to once in healMost.
	retryFirst = 5 * time.Millisecond
	retryMost  = 10 * time.Second
	healMost   = 5 * time.Minute
	// afterConflict is when to look again after somebody else wrote first.
	// The cache hears of that write and brings the object back much sooner.
	afterConflict = time.Second
	// writeTimeout bounds one write.
	writeTimeout = 30 * time.Second
)

// Writer writes statuses. Make one with New.
type Writer struct {
	options Options
	queue   workqueue.TypedRateLimitingInterface[ir.Ref]
	heals   workqueue.TypedRateLimiter[ir.Ref]

	mu sync.Mutex
	// wanted is nil until Set is called for the first time.
	wanted map[ir.Ref]Object
}

// New makes a Writer that has nothing to write yet.
func New(o Options) *Writer {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	return &Writer{
		options: o,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[ir.Ref](retryFirst, retryMost)),
		heals: workqueue.NewTypedItemExponentialFailureRateLimiter[ir.Ref](retryFirst, healMost),
	}
}

// Set makes objects all that the controller has to say. What it has said of
// any other object in s is taken back.
func (w *Writer) Set(objects []Object, s *snapshot.Snapshot) {
	wanted := make(map[ir.Ref]Object, len(objects))
	for _, o := range objects {
		wanted[o.Ref] = o
	}
	eachObject(s, func(object client.Object) {
		if ref, ok := RefOf(object); ok {
			if o, found := wanted[ref]; found {
				o.uid = object.GetUID()
				wanted[ref] = o
			}
		}
	})
	w.mu.Lock()
	before := w.wanted
	w.wanted = wanted
	w.mu.Unlock()
	for ref, o := range wanted {
		if old, known := before[ref]; !known || !old.equal(o) {
			w.now(ref)
		}
	}
	for ref := range before {
		if _, still := wanted[ref]; !still {
			w.now(ref)
		}
	}
	if before == nil {
		// Later, Observe notices what is left over.
		eachObject(s, w.Observe)
	}
}

// now queues ref without a pause, whatever has been tried before.
func (w *Writer) now(ref ir.Ref) {
	w.forget(ref)
	w.queue.Add(ref)
}

func (w *Writer) forget(ref ir.Ref) {
	w.queue.Forget(ref)
	w.heals.Forget(ref)
}

// Observe looks at an object that has changed in the caches and brings its
// status back to what it must say. Whoever keeps changing it is answered ever
// more slowly, so that two controllers do not fight at full speed.
func (w *Writer) Observe(object client.Object) {
	ref, ok := RefOf(object)
	if !ok {
		return
	}
	wanted, ready := w.lookup(ref, object.GetUID())
	if !ready {
		return
	}
	if _, changed := w.merger().merge(object, wanted); changed {
		w.queue.AddAfter(ref, w.heals.When(ref))
	}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, w.queue.ShutDown)
	defer stop()
	var workers sync.WaitGroup
	for range w.options.Workers {
		workers.Go(func() {
			for w.next(ctx) {
				// Until the queue is shut down.
			}
		})
	}
	workers.Wait()
}

func (w *Writer) next(ctx context.Context) bool {
	ref, shutDown := w.queue.Get()
	if shutDown {
		return false
	}
	defer w.queue.Done(ref)
	w.write(ctx, ref)
	return true
}

// write brings the status of one object up to date.
func (w *Writer) write(ctx context.Context, ref ir.Ref) {
	object, exists := w.options.Get(ref)
	if !exists {
		w.forget(ref)
		return
	}
	wanted, ready := w.lookup(ref, object.GetUID())
	if !ready {
		return
	}
	change, changed := w.merger().merge(object, wanted)
	if !changed {
		return
	}
	err := w.patch(ctx, ref, object, change)
	if w.options.Wrote != nil {
		w.options.Wrote(ref.Kind, err)
	}
	switch {
	case err == nil:
		w.queue.Forget(ref)
		w.options.Log.V(1).Info("wrote status", "kind", ref.Kind, "object", ref.String())
	case ctx.Err() != nil || apierrors.IsNotFound(err):
		w.forget(ref)
	case apierrors.IsConflict(err):
		w.queue.AddAfter(ref, afterConflict)
	default:
		w.options.Log.Error(err, "could not write status, trying again", "kind", ref.Kind, "object", ref.String())
		w.queue.AddRateLimited(ref)
	}
}

func (w *Writer) patch(ctx context.Context, ref ir.Ref, object client.Object, change write) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	body, err := change.body(ref, object)
	if err != nil {
		return err
	}
	answer := &metav1.PartialObjectMetadata{}
	answer.SetGroupVersionKind(versionOf(ref))
	answer.Namespace, answer.Name = ref.Namespace, ref.Name.Name
	options := []client.SubResourcePatchOption{client.FieldOwner(contract.StatusFieldManager)}
	if change.method == types.ApplyPatchType {
		options = append(options, client.ForceOwnership)
	}
	return w.options.Client.Status().Patch(ctx, answer, client.RawPatch(change.method, body), options...)
}

// lookup gives what is wanted for the object that ref names, nil when that is
// nothing. It is false while that is not known yet: before the first Set, and
// for an object that was deleted and created anew since the last.
func (w *Writer) lookup(ref ir.Ref, uid types.UID) (*Object, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wanted == nil {
		return nil, false
	}
	o, found := w.wanted[ref]
	switch {
	case !found:
		return nil, true
	case o.uid != "" && o.uid != uid:
		return nil, false
	}
	return &o, true
}

func (w *Writer) merger() merger {
	return merger{
		controller: gatewayv1.GatewayController(w.options.ControllerName),
		// The API keeps whole seconds.
		now: metav1.NewTime(w.options.Clock.Now().Truncate(time.Second)),
	}
}

// eachObject calls f for every object in s whose status is written.
func eachObject(s *snapshot.Snapshot, f func(client.Object)) {
	for _, o := range s.GatewayClasses {
		f(o)
	}
	for _, o := range s.Gateways {
		f(o)
	}
	for _, o := range s.ListenerSets {
		f(o)
	}
	for _, o := range s.HTTPRoutes {
		f(o)
	}
	for _, o := range s.GRPCRoutes {
		f(o)
	}
	for _, o := range s.TLSRoutes {
		f(o)
	}
	for _, o := range s.BackendTLSPolicies {
		f(o)
	}
	for _, o := range s.Backends {
		f(o)
	}
	for _, o := range s.BackendConfigPolicies {
		f(o)
	}
}
