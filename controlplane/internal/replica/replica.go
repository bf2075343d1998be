// Package replica shares among the replicas of the controller what the proxies
// of each have answered: the one that leads writes statuses, and a proxy may
// be connected to any of them.
//
// In go this replica's Reports (Set); out come those of the others (Peers).
// Each replica keeps its own in a ConfigMap of its own, which its Pod owns, and
// watches the others'. It writes when the report has changed, at most every
// Pause, and besides that every Beat, so that a report whose replica is gone
// can be told.
//
// Time is counted in beats of our own that have come back through the same
// watch: a report that has not changed for Expiry of those is dead. While the
// API server is away no beat comes back, and so no report dies of that.
package replica

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

const (
	defaultPause = 50 * time.Millisecond
	defaultBeat  = 3 * time.Second
	// expiry is after how many beats without a change a report is dead.
	expiry = 4

	// writeTimeout bounds one write, and the removal of the report in the end.
	writeTimeout = 3 * time.Second
	// afterFailure is when a write that failed is tried again.
	afterFailure = time.Second

	nameSuffix     = "-proxies"
	labelValue     = "proxies"
	reportKey      = "report.json"
	beatAnnotation = contract.LabelReplicaReport + "-beat"
)

// Options configure an Exchange.
type Options struct {
	// Config connects to the API server.
	Config *rest.Config
	// Namespace holds the reports.
	Namespace string
	// Identity is this replica's: the name of its Pod.
	Identity string
	// PodUID makes that Pod the owner of the report. Empty: it has none.
	PodUID string
	// Pause is the least time between two writes of a changed report, and Beat
	// the most. Zero means 50 ms and 3 s.
	Pause, Beat time.Duration
	Log         logr.Logger
}

// Exchange writes this replica's report and reads the others'. Make one with
// New.
type Exchange struct {
	options Options
	client  clientcorev1.ConfigMapInterface
	own     outbox
	peers   peers
}

// New prepares an Exchange.
func New(o Options) (*Exchange, error) {
	if o.Pause == 0 {
		o.Pause = defaultPause
	}
	if o.Beat == 0 {
		o.Beat = defaultBeat
	}
	client, err := clientcorev1.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("prepare to exchange reports: %w", err)
	}
	return &Exchange{
		options: o,
		client:  client.ConfigMaps(o.Namespace),
		own:     outbox{log: o.Log, encoded: "{}", changed: make(chan struct{}, 1)},
		peers: peers{
			own: o.Identity + nameSuffix, log: o.Log, known: map[string]peer{},
			changed: make(chan struct{}, 1), synced: make(chan struct{}),
		},
	}, nil
}

// Set makes r the report of this replica. It never blocks.
func (e *Exchange) Set(r Report) { e.own.set(r) }

// Peers are the reports of all other replicas that are alive.
func (e *Exchange) Peers() []Report { return e.peers.alive() }

// Changed receives a value after Peers has changed. Signals coalesce.
func (e *Exchange) Changed() <-chan struct{} { return e.peers.changed }

// Synced is closed when Peers knows all reports that there were at the start.
func (e *Exchange) Synced() <-chan struct{} { return e.peers.synced }

// Run writes and watches until ctx ends. Then it removes the report.
func (e *Exchange) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.watch(ctx)
	}()
	e.write(ctx)
	<-done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := e.client.Delete(ctx, e.peers.own, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		e.options.Log.Error(err, "could not remove the report of this replica, it will expire", "configMap", e.peers.own)
	}
}

// watch keeps peers up to date.
func (e *Exchange) watch(ctx context.Context) {
	selector := contract.LabelReplicaReport + "=" + labelValue
	_, informer := toolscache.NewInformerWithOptions(toolscache.InformerOptions{
		ListerWatcher: &toolscache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.LabelSelector = selector
				return e.client.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.LabelSelector = selector
				return e.client.Watch(ctx, o)
			},
		},
		ObjectType: &corev1.ConfigMap{},
		Handler:    &e.peers,
	})
	go func() {
		if toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			close(e.peers.synced)
			signal(e.peers.changed)
		}
	}()
	informer.RunWithContext(ctx)
}

// write keeps the ConfigMap up to date.
func (e *Exchange) write(ctx context.Context) {
	// A beat is unlike any of a process that had this identity before.
	beat := time.Now().UnixNano()
	tick := time.NewTicker(e.options.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			beat++
		case <-e.own.changed:
		}
		rest := e.options.Pause
		if err := e.apply(ctx, e.own.text(), beat); err != nil && ctx.Err() == nil {
			e.options.Log.Error(err, "could not report what the proxies of this replica have answered, trying again", "configMap", e.peers.own)
			rest = afterFailure
			signal(e.own.changed)
		}
		if !pause(ctx, rest) {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (e *Exchange) apply(ctx context.Context, text string, beat int64) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	object := applycorev1.ConfigMap(e.peers.own, e.options.Namespace).
		WithLabels(map[string]string{contract.LabelReplicaReport: labelValue}).
		WithAnnotations(map[string]string{beatAnnotation: strconv.FormatInt(beat, 10)}).
		WithData(map[string]string{reportKey: text})
	if e.options.PodUID != "" {
		object.WithOwnerReferences(applymetav1.OwnerReference().
			WithAPIVersion("v1").WithKind("Pod").WithName(e.options.Identity).WithUID(types.UID(e.options.PodUID)))
	}
	_, err := e.client.Apply(ctx, object, metav1.ApplyOptions{FieldManager: contract.StatusFieldManager, Force: true})
	return err
}
