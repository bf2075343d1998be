package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Options configure a Writer.
type Options struct {
	// Config connects to the API server. Its rate limits are not used.
	Config *rest.Config
	// Proxy is what all proxies have in common.
	Proxy Proxy
	// Issuer makes their certificates.
	Issuer Issuer
	// Observe is told of every write, with nil or why it failed. It may be nil.
	Observe func(kind string, err error)
	// Workers write for as many Gateways at the same time. Zero means 8.
	Workers int
	// Clock is nil for the real one.
	Clock clock.WithTicker
	// Rand is nil for the system's.
	Rand io.Reader
	Log  logr.Logger
}

const (
	defaultWorkers = 8
	// A Gateway whose objects cannot be written is tried again after a pause
	// that doubles from retryFirst to retryMost. An object that somebody else
	// keeps changing is brought back ever more slowly, down to once in
	// healMost.
	retryFirst = 50 * time.Millisecond
	retryMost  = 30 * time.Second
	healMost   = 5 * time.Minute
	// recheck is how often certificates are looked at.
	recheck = time.Hour
	// writeTimeout bounds one request.
	writeTimeout = 30 * time.Second
)

// Writer keeps the objects of Gateways. Make one with New.
type Writer struct {
	options Options
	changed chan struct{}

	mu sync.Mutex
	// wanted is nil until Set is called for the first time.
	wanted   map[ir.Name]Spec
	problems map[ir.Name]string
	// term is the present Run, nil where there is none.
	term *term
}

// New makes a Writer. It connects only while it runs.
func New(o Options) (*Writer, error) {
	if o.Config == nil || o.Issuer == nil {
		return nil, errors.New("to deploy proxies, a connection to the API server and an issuer of certificates are needed")
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Observe == nil {
		o.Observe = func(string, error) {}
	}
	return &Writer{options: o, changed: make(chan struct{}, 1), problems: map[ir.Name]string{}}, nil
}

// Set makes specs all that is wanted. It never waits.
func (w *Writer) Set(specs map[ir.Name]Spec) {
	w.mu.Lock()
	before := w.wanted
	w.wanted = specs
	t := w.term
	w.mu.Unlock()
	if t == nil {
		return
	}
	for name, spec := range specs {
		if old, known := before[name]; !known || !old.equal(spec) {
			t.now(name)
		}
	}
	for name := range before {
		if _, still := specs[name]; !still {
			t.now(name)
		}
	}
	if before == nil {
		// There may be objects of Gateways that nobody has any more.
		select {
		case t.again <- struct{}{}:
		default:
		}
	}
}

// Problem says why the proxies of a Gateway are not deployed as they should
// be. It is empty where they are, and while the Writer does not run.
func (w *Writer) Problem(gateway ir.Name) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problems[gateway]
}

// Changed gives a value after Problem may say something else.
func (w *Writer) Changed() <-chan struct{} { return w.changed }

// report sets the Problem of a Gateway.
func (w *Writer) report(gateway ir.Name, problem string) {
	w.mu.Lock()
	same := w.problems[gateway] == problem
	if problem == "" {
		delete(w.problems, gateway)
	} else {
		w.problems[gateway] = problem
	}
	w.mu.Unlock()
	if !same {
		w.signal()
	}
}

func (w *Writer) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// spec is what is wanted for a Gateway. ready is false before the first Set.
func (w *Writer) spec(gateway ir.Name) (spec Spec, wanted, ready bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	spec, wanted = w.wanted[gateway]
	return spec, wanted, w.wanted != nil
}

// gateways are those for which something is wanted.
func (w *Writer) gateways() []ir.Name {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := make([]ir.Name, 0, len(w.wanted))
	for name := range w.wanted {
		names = append(names, name)
	}
	return names
}

// Run keeps the objects until ctx ends, and then returns nil. It can be called
// again after it has returned. An API server that cannot be reached does not
// end it.
func (w *Writer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := w.once(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		w.options.Log.Error(err, "proxies cannot be deployed, trying again")
		again := w.options.Clock.NewTimer(retryMost)
		select {
		case <-ctx.Done():
		case <-again.C():
		}
		again.Stop()
	}
	return nil
}

// once is Run until it fails; it is nil only when ctx has ended.
func (w *Writer) once(ctx context.Context) error {
	t, err := newTerm(w)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.term = t
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.term, w.problems = nil, map[ir.Name]string{}
		w.mu.Unlock()
		w.signal()
	}()
	return t.run(ctx)
}

// uid is the owner's.
func (s Spec) uid() types.UID { return types.UID(s.UID) }
