package replica_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
)

const (
	patient = 15 * time.Second
	beat    = 100 * time.Millisecond
)

// world is an API server with replicas.
type world struct {
	client.Client
	config *rest.Config
}

// member is one replica.
type member struct {
	*replica.Exchange
	cut  atomic.Bool
	stop func()
}

func TestExchange(t *testing.T) {
	w := &world{config: apiservertest.Start(t, &envtest.Environment{})}
	var err error
	if w.Client, err = client.New(w.config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Run("reports arrive fast, and alone", w.arrives)
	t.Run("a replica that ends takes its report along", w.ends)
	t.Run("a replica that is gone without a word", w.dies)
	t.Run("an API server that is away kills nobody", w.away)
}

// join starts a replica.
func (w *world) join(t *testing.T, name string) *member {
	t.Helper()
	m := &member{}
	config := rest.CopyConfig(w.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &wire{next: next, cut: &m.cut} })
	var err error
	m.Exchange, err = replica.New(replica.Options{
		Config: config, Namespace: "default", Identity: name, PodUID: "uid-" + name, Beat: beat, Log: testr.New(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(m.stop)
	select {
	case <-m.Synced():
	case <-time.After(patient):
		t.Fatal("the reports of others have not come")
	}
	return m
}

// wire is a connection that can be cut: requests fail, and so do watches that
// are open.
type wire struct {
	next http.RoundTripper
	cut  *atomic.Bool
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		return nil, errors.New("cut")
	}
	response, err := w.next.RoundTrip(request)
	if err == nil {
		response.Body = &cutBody{response.Body, w.cut}
	}
	return response, err
}

type cutBody struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	cut *atomic.Bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.cut.Load() {
		return 0, errors.New("cut")
	}
	return n, err
}

func (b *cutBody) Close() error { return b.body.Close() }

func about(gateway string) replica.Report {
	return replica.Report{Gateways: []replica.Gateway{{
		Namespace: "infra", Name: gateway, UID: "uid", Generation: 1, Connected: 1,
		Rejections: []replica.Rejection{{TypeURL: "type", Resources: []string{"a"}, Message: "bad"}},
	}}}
}

// sees waits until m knows of these reports of others.
func (m *member) sees(t *testing.T, want ...replica.Report) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if diff := cmp.Diff(want, m.Peers()); diff != "" {
			return fmt.Errorf("reports (-want +got):\n%s", diff)
		}
		return nil
	})
}

func (w *world) arrives(t *testing.T) {
	a, b := w.join(t, "arrives-a"), w.join(t, "arrives-b")
	a.Set(about("zero"))
	b.sees(t, about("zero"))
	began := time.Now()
	a.Set(about("one"))
	b.sees(t, about("one"))
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("a report took %s", took)
	} else {
		t.Logf("a report took %s", took)
	}
	written := &corev1.ConfigMap{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "arrives-a-proxies"}, written); err != nil {
		t.Fatal(err)
	}
	if len(written.OwnerReferences) != 1 || written.OwnerReferences[0].Name != "arrives-a" || written.Labels[contract.LabelReplicaReport] == "" {
		t.Errorf("the report is not labelled, or nobody's: %+v", written.ObjectMeta)
	}
	// Beats are no changes: nobody translates because of them.
	drained(b.Changed())
	after := &corev1.ConfigMap{}
	envoytest.Eventually(t, patient, func() error {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(written), after); err != nil {
			return err
		}
		if cmp.Equal(after.Annotations, written.Annotations) {
			return errors.New("no beat")
		}
		return nil
	})
	select {
	case <-b.Changed():
		t.Error("a beat was taken for a change")
	default:
	}
	b.Set(about("two"))
	a.sees(t, about("two"))
	b.sees(t, about("one"))
}

func drained(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func (w *world) ends(t *testing.T) {
	a, b := w.join(t, "ends-a"), w.join(t, "ends-b")
	a.Set(about("one"))
	b.sees(t, about("one"))
	a.stop()
	b.sees(t)
}

func (w *world) dies(t *testing.T) {
	a, b := w.join(t, "dies-a"), w.join(t, "dies-b")
	a.Set(about("one"))
	b.sees(t, about("one"))
	drained(b.Changed())
	a.cut.Store(true)
	select {
	case <-b.Changed():
	case <-time.After(patient):
		t.Fatal("nobody noticed")
	}
	b.sees(t)
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "dies-a-proxies"}, &corev1.ConfigMap{}); err != nil {
		t.Errorf("the report of the dead replica is not there any more, which proves nothing: %v", err)
	}
	// It was only cut off.
	a.cut.Store(false)
	b.sees(t, about("one"))
}

// away cuts off b alone, which to b is as if the API server were away.
func (w *world) away(t *testing.T) {
	a, b := w.join(t, "away-a"), w.join(t, "away-b")
	a.Set(about("one"))
	b.sees(t, about("one"))
	drained(b.Changed())
	b.cut.Store(true)
	select {
	case <-b.Changed():
		t.Errorf("a report died because nobody heard of it: %+v", b.Peers())
	case <-time.After(20 * beat):
	}
	b.cut.Store(false)
	a.Set(about("two"))
	b.sees(t, about("two"))
}
