package xds_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// TestDrainIsSpread has many proxies whose streams must not end at once.
func TestDrainIsSpread(t *testing.T) {
	t.Parallel()
	const proxies, over = 10, time.Second
	w := newWorldWith(t, func(o *xds.Options) { o.DrainOver = over })
	w.publish(gateway{port: 8080}.ir())
	ends := make(chan error, proxies)
	for range proxies {
		stream := w.delta(t, w.ca, contract.NodeURI("infra", "http"))
		err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{
			Node: &corev3.Node{Id: "infra/http"}, TypeUrl: resource.ClusterType,
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			var err error
			for err == nil {
				_, err = stream.Recv()
			}
			ends <- err
		}()
	}
	w.waitFor(func(s xds.State) bool { return s.Connected == proxies })
	began := time.Now()
	ended := w.drain()
	var times []time.Duration
	for range proxies {
		if err := <-ends; status.Code(err) != codes.Unavailable {
			t.Errorf("a stream ended with %v", err)
		}
		times = append(times, time.Since(began))
	}
	<-ended
	if first, last := times[0], times[proxies-1]; first > over/2 || last < over/2 || last > 2*over {
		t.Errorf("the streams ended after %v", times)
	}
	if took := time.Since(began); took > 2*over {
		t.Errorf("the server ended after %s", took)
	}
	// Nobody gets in any more.
	if err := w.ask(t, w.ca, contract.NodeURI("infra", "http"), "infra/http", false); status.Code(err) != codes.Unavailable {
		t.Errorf("a new stream ended with %v", err)
	}
}

// TestDrainWithoutSpreadIsFast is what a dev cluster does.
func TestDrainWithoutSpreadIsFast(t *testing.T) {
	t.Parallel()
	r := newRunning(t, false, verified())
	began := time.Now()
	<-r.drain()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAgedConnectionsAreMadeAnew has a proxy that is sent away every now and
// then, under traffic: it comes back, is sent nothing, and loses nothing.
func TestAgedConnectionsAreMadeAnew(t *testing.T) {
	t.Parallel()
	eachProtocol(t, testAging)
}

func testAging(t *testing.T, sotw bool) {
	t.Helper()
	var counts counts
	w := newWorldWith(t, func(o *xds.Options) {
		o.MaxAge, o.MaxAgeGrace, o.Observer = time.Second, 100*time.Millisecond, &counts
	})
	r := runningIn(t, w, sotw, verified())
	updates := func() map[string]uint64 {
		return r.proxy.Stats(t, `^(cluster_manager\.cluster_(added|modified|removed)|listener_manager\.listener_(added|modified|removed))$`)
	}
	before, sent := updates(), r.sent.resources.Load()
	traffic := startTraffic(t, r.client, "/")
	envoytest.Eventually(t, patient, func() error {
		if n := r.proxy.Stat(t, "cluster.tlsgw-xds.upstream_cx_total"); n < 4 {
			return fmt.Errorf("%d connections so far", n)
		}
		return nil
	})
	r.waitFor(func(s xds.State) bool { return s.Connected == 1 && s.AckedRevision == r.revision })
	if after := updates(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("Envoy took updates: %v before, %v after", before, after)
	}
	if n := r.sent.resources.Load() - sent; n != 0 && !sotw {
		t.Errorf("%d resources were sent again", n)
	}
	// It is alive: a change arrives.
	r.publishAndWait(r.gateway(nil).ir())
	traffic.mustSucceed(t)
	if counts.sent.Load() == 0 || counts.acks.Load() == 0 || counts.pushes.Load() == 0 {
		t.Errorf("the observer was told of %d responses, %d answers and %d pushes",
			counts.sent.Load(), counts.acks.Load(), counts.pushes.Load())
	}
}

// counts is an xds.Observer.
type counts struct{ sent, acks, nacks, pushes atomic.Int64 }

func (c *counts) Sent(string) { c.sent.Add(1) }
func (c *counts) Answered(_ string, accepted bool) {
	if accepted {
		c.acks.Add(1)
	} else {
		c.nacks.Add(1)
	}
}
func (c *counts) Pushed(time.Duration) { c.pushes.Add(1) }
