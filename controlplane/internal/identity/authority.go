package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

// glance is how often at least the clock is looked at: a timer does not run
// while a machine sleeps.
const glance = time.Hour

// Options configure an Authority.
type Options struct {
	// Config connects to the API server, as an account that may list, watch,
	// create and update contract.XDSAuthoritySecret.
	Config *rest.Config
	// Namespace of the Secret. Empty means contract.SystemNamespace.
	Namespace string
	// Clock is nil for the real one.
	Clock clock.Clock
	// Rand is nil for the system's.
	Rand io.Reader
	Log  logr.Logger
}

// Authority issues certificates and says whom to trust. Make one with New; it
// knows nothing before Run runs.
type Authority struct {
	options Options
	maker   *pki.Maker
	client  client.Client
	cache   cache.Cache
	// changed is for the consumer, moved for Run, work for Lead.
	changed, moved, work chan struct{}

	mu   sync.Mutex
	held held
	// told is the view when changed was last signalled.
	told view
	// served are the controller's certificates by the CA that signed them.
	served map[[sha256.Size]byte]*tls.Certificate
}

// held is what is known of the Secret.
type held struct {
	// synced: the API server has said whether there is a Secret.
	synced bool
	// secret is nil when there is none.
	secret *corev1.Secret
	// bad is what is wrong with secret.
	bad error
	// ring is what was last good, and gone what vanished from it.
	ring ring
	gone []departed
}

// New prepares to watch the Secret. It does not talk to the API server.
func New(o Options) (*Authority, error) {
	a := create(o)
	return a, a.connect()
}

// create makes an Authority without a connection.
func create(o Options) *Authority {
	if o.Namespace == "" {
		o.Namespace = contract.SystemNamespace
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &Authority{
		options: o,
		maker:   pki.NewMaker(o.Clock.Now, o.Rand),
		changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), work: make(chan struct{}, 1),
		served: map[[sha256.Size]byte]*tls.Certificate{},
	}
}

func (a *Authority) connect() error {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("prepare to watch the xDS CA: %w", err)
	}
	httpClient, err := rest.HTTPClientFor(a.options.Config)
	if err != nil {
		return fmt.Errorf("prepare the connection to the API server: %w", err)
	}
	// The one kind is known; discovery would only cost requests.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	a.client, err = client.New(a.options.Config, client.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return fmt.Errorf("prepare to write the xDS CA: %w", err)
	}
	a.cache, err = cache.New(a.options.Config, cache.Options{
		HTTPClient: httpClient, Scheme: scheme, Mapper: mapper,
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: map[string]cache.Config{
			a.options.Namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", contract.XDSAuthoritySecret)},
		}}},
		DefaultWatchErrorHandler: a.watchFailed,
	})
	if err != nil {
		return fmt.Errorf("prepare to watch the xDS CA: %w", err)
	}
	return nil
}

// Run watches the Secret until ctx ends. What is wrong with the Secret, or
// with the connection, does not end it: Ready says so.
func (a *Authority) Run(ctx context.Context) error {
	informer, err := a.cache.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    a.see,
			UpdateFunc: func(_, after any) { a.see(after) },
			DeleteFunc: func(any) { a.observe(nil) },
		})
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", a.name(), err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	running.Go(func() { failed <- a.cache.Start(ctx) })
	running.Go(func() {
		if a.cache.WaitForCacheSync(ctx) {
			a.synced()
		}
	})
	for {
		timer := a.options.Clock.NewTimer(a.tick())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case err := <-failed:
			timer.Stop()
			return err
		case <-a.moved:
		case <-timer.C():
		}
		timer.Stop()
	}
}

func (a *Authority) name() string {
	return "Secret " + a.options.Namespace + "/" + contract.XDSAuthoritySecret
}

// watchFailed reports why a watch ended. The informer tries again by itself.
func (a *Authority) watchFailed(ctx context.Context, _ *toolscache.Reflector, err error) {
	if ctx.Err() == nil {
		a.options.Log.Error(err, "watch failed, trying again", "object", a.name())
	}
}

func (a *Authority) see(object any) {
	if secret, ok := object.(*corev1.Secret); ok {
		a.observe(secret)
	}
}

// synced notes that the first list is complete.
func (a *Authority) synced() {
	a.mu.Lock()
	a.held.synced = true
	a.mu.Unlock()
	signal(a.moved)
	signal(a.work)
}

// observe takes a version of the Secret; nil: there is none.
func (a *Authority) observe(secret *corev1.Secret) {
	now := a.options.Clock.Now()
	a.mu.Lock()
	a.held = a.held.next(secret, now)
	bad, current := a.held.bad, a.held.ring
	a.mu.Unlock()
	switch {
	case secret == nil:
		a.options.Log.Info("the CA of xDS is gone, and stays in use until another is made", "object", a.name())
	case bad != nil:
		a.options.Log.Error(a.unusable(bad), "not using the CA of xDS as it is now")
	default:
		a.options.Log.V(1).Info("read the CA of xDS", "object", a.name(), "authorities", len(current))
	}
	signal(a.moved)
	signal(a.work)
}

// next is h after the Secret has become secret.
func (h held) next(secret *corev1.Secret, now time.Time) held {
	h.secret, h.bad = secret, nil
	if secret == nil {
		return h
	}
	fresh, err := decode(secret.Data)
	if err != nil {
		h.bad = err
		return h
	}
	gone := slices.DeleteFunc(slices.Clone(h.gone), func(d departed) bool {
		return fresh.has(d.authority) || !now.Before(d.since.Add(departedAccepted))
	})
	for _, old := range h.ring.unexpired(now) {
		if !fresh.has(old) {
			gone = append(gone, departed{authority: old, since: now})
		}
	}
	h.ring, h.gone = fresh, gone
	return h
}

// unusable says what to do about a Secret that cannot be read.
func (a *Authority) unusable(bad error) error {
	return fmt.Errorf("%s holds no CA that the controller could have written: %w; "+
		"if nobody else needs it, delete it, and the controller makes another: "+
		"kubectl delete secret --namespace %s %s", a.name(), bad, a.options.Namespace, contract.XDSAuthoritySecret)
}

// tick tells the consumer what time has changed, and says when to look again.
func (a *Authority) tick() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.options.Clock.Now()
	if v := look(a.held.ring, a.held.gone, now); v.differs(a.told) {
		a.told = v
		signal(a.changed)
	}
	return nextTurn(a.held.ring, a.held.gone, now, glance)
}

func (a *Authority) look() view {
	a.mu.Lock()
	defer a.mu.Unlock()
	return look(a.held.ring, a.held.gone, a.options.Clock.Now())
}

// errNotSynced is why nothing is known in the beginning.
var errNotSynced = errors.New("the CA of xDS has not been read from the API server yet")

// Ready is nil once there is a CA to work with, and says otherwise why there
// is none. A CA that was replaced by something unreadable goes on.
func (a *Authority) Ready() error {
	a.mu.Lock()
	h := a.held
	a.mu.Unlock()
	switch {
	case look(h.ring, h.gone, a.options.Clock.Now()).usable():
		return nil
	case h.bad != nil:
		return a.unusable(h.bad)
	case !h.synced:
		return errNotSynced
	case h.secret == nil:
		return fmt.Errorf("%s is not there yet: the replica that leads makes it", a.name())
	default:
		return fmt.Errorf("every CA in %s has expired: the replica that leads makes another", a.name())
	}
}

// Expiry is when the CA that signs for proxies ends, and when the certificate
// does that the controller shows. Both are zero while there is none.
func (a *Authority) Expiry() (authority, server time.Time) {
	v := a.look()
	if !v.usable() {
		return authority, server
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if own := a.served[v.shown.id]; own != nil {
		server = own.Leaf.NotAfter
	}
	return v.signer.ends(), server
}

// Bundle are the CAs, as PEM, by which proxies verify the controller. It is
// empty until Ready.
func (a *Authority) Bundle() []byte {
	var out []byte
	for _, trusted := range a.look().bundle {
		out = append(out, trusted.CertPEM()...)
	}
	return out
}

// Changed receives a value after Bundle, or the CA with which Issue signs, has
// changed: everything that was handed out is to be looked at again (Keep).
// Signals coalesce; it is for one receiver.
func (a *Authority) Changed() <-chan struct{} { return a.changed }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
