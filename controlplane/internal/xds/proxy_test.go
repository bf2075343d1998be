package xds_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// proxy speaks the delta protocol as the test wants it.
type proxy struct {
	t         testing.TB
	stream    discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	responses chan *discoveryv3.DeltaDiscoveryResponse
}

// proxy connects one that comes with a cluster from an earlier stream, so that
// it counts as serving.
func (w *world) proxy() *proxy {
	w.t.Helper()
	p := &proxy{
		t:         w.t,
		stream:    w.delta(w.t, w.ca, contract.NodeURI(gatewayName().Namespace, gatewayName().Name)),
		responses: make(chan *discoveryv3.DeltaDiscoveryResponse, 100),
	}
	go func() {
		defer close(p.responses)
		for {
			response, err := p.stream.Recv()
			if err != nil {
				return
			}
			p.responses <- response
		}
	}()
	p.send(&discoveryv3.DeltaDiscoveryRequest{
		Node:                    &corev3.Node{Id: contract.NodeID(gatewayName().Namespace, gatewayName().Name)},
		TypeUrl:                 resource.ClusterType,
		InitialResourceVersions: map[string]string{"earlier": "1"},
	})
	return p
}

func (p *proxy) send(request *discoveryv3.DeltaDiscoveryRequest) {
	p.t.Helper()
	if err := p.stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
		p.t.Fatal(err)
	}
}

func (p *proxy) subscribe(typeURL string, names ...string) {
	p.t.Helper()
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names})
}

func (p *proxy) ack(response *discoveryv3.DeltaDiscoveryResponse) {
	p.t.Helper()
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce()})
}

// next waits for a response, which must be of the type.
func (p *proxy) next(typeURL string) *discoveryv3.DeltaDiscoveryResponse {
	p.t.Helper()
	select {
	case response, ok := <-p.responses:
		if !ok || response.GetTypeUrl() != typeURL {
			p.t.Fatalf("got %v, want a response of type %s", response, typeURL)
		}
		return response
	case <-time.After(patient):
		p.t.Fatalf("no response of type %s", typeURL)
		return nil
	}
}

// nothing fails if a response comes.
func (p *proxy) nothing(within time.Duration) {
	p.t.Helper()
	select {
	case response := <-p.responses:
		p.t.Fatalf("got a response: %v", response)
	case <-time.After(within):
	}
}

func names(response *discoveryv3.DeltaDiscoveryResponse) []string {
	var out []string
	for _, r := range response.GetResources() {
		out = append(out, r.GetName())
	}
	slices.Sort(out)
	return out
}

func expectNames(t *testing.T, response *discoveryv3.DeltaDiscoveryResponse, want ...string) {
	t.Helper()
	if got := names(response); !slices.Equal(got, want) {
		t.Fatalf("got resources %v, want %v", got, want)
	}
}

// TestOrderOfARollout walks through a rollout that another overtakes.
func TestOrderOfARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := edsCluster("a", 1, nil), edsCluster("b", 2, nil), edsCluster("c", 3, nil)
	w.publish(to(8080, a).ir())
	p := w.proxy()
	first := p.next(resource.ClusterType)
	expectNames(t, first, a.Name)
	// It comes back with a configuration: its routes wait for its clusters.
	p.subscribe(resource.ListenerType)
	p.subscribe(resource.RouteType, "http-8080")
	p.subscribe(resource.EndpointType, a.Name)
	p.ack(p.next(resource.EndpointType))
	p.nothing(100 * time.Millisecond)
	p.ack(first)
	p.ack(p.next(resource.ListenerType))
	p.ack(p.next(resource.RouteType))
	w.waitFor(func(s xds.State) bool { return s.AckedRevision == 1 })
	// What it had and nobody serves goes after its routes have changed.
	removal := p.next(resource.ClusterType)
	if got := removal.GetRemovedResources(); !slices.Equal(got, []string{"earlier"}) {
		t.Fatalf("removed %v", got)
	}
	p.ack(removal)

	w.publish(to(8080, b).ir())
	second := p.next(resource.ClusterType)
	expectNames(t, second, b.Name)
	p.nothing(100 * time.Millisecond)
	// The next change does not wait for an answer, and takes over.
	w.publish(to(8080, c).ir())
	third := p.next(resource.ClusterType)
	expectNames(t, third, c.Name)
	p.ack(second)
	p.nothing(100 * time.Millisecond)
	p.ack(third)
	moved := p.next(resource.RouteType)
	if text := string(moved.GetResources()[0].GetResource().GetValue()); !strings.Contains(text, c.Name) {
		t.Fatalf("the routes are not the newest: %q", text)
	}
	p.nothing(2 * w.options.RemoveGrace)
	p.ack(moved)
	p.subscribe(resource.EndpointType, c.Name)
	p.ack(p.next(resource.EndpointType))
	w.waitFor(func(s xds.State) bool { return s.AckedRevision == 3 })
	removal = p.next(resource.ClusterType)
	if got := slices.Sorted(slices.Values(removal.GetRemovedResources())); !slices.Equal(got, []string{a.Name, b.Name}) {
		t.Fatalf("removed %v", got)
	}
	// Endpoints go only after that is acknowledged.
	p.nothing(2 * w.options.RemoveGrace)
	p.ack(removal)
	if got := p.next(resource.EndpointType).GetRemovedResources(); !slices.Equal(got, []string{a.Name}) {
		t.Fatalf("removed endpoints %v", got)
	}
}

// TestSubscribingAgain must bring the resource again, though nothing changed.
func TestSubscribingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := edsCluster("a", 1, nil)
	w.publish(to(8080, a).ir())
	p := w.proxy()
	p.ack(p.next(resource.ClusterType))
	for range 3 {
		p.subscribe(resource.EndpointType, a.Name)
		response := p.next(resource.EndpointType)
		expectNames(t, response, a.Name)
		p.ack(response)
	}
}

// TestStuckProxy has a proxy that never answers beside a good one.
func TestStuckProxy(t *testing.T) {
	t.Parallel()
	r := newRunningWith(t, func(o *xds.Options) { o.AckTimeout = second })
	stuck := r.world.proxy()
	r.waitFor(func(s xds.State) bool { return s.Connected == 2 })
	gw := gateway{port: r.port, secrets: []*ir.Secret{trust(r.ca)}}
	start := time.Now()
	r.publish(gw.ir())
	r.client.expect(t, 3*second, "/", 404)
	if waited := time.Since(start); waited < r.options.AckTimeout/2 {
		t.Errorf("waited only %s for the stuck proxy", waited)
	}
	for i := range 3 {
		path := fmt.Sprintf("/new-%d", i)
		cluster := edsCluster(fmt.Sprintf("new-%d", i), r.backend.Port, verified())
		gw.clusters = append(gw.clusters, cluster)
		gw.routes = append(gw.routes, forward(path, cluster.Name))
		r.publish(gw.ir())
		r.client.expect(t, second/2, path, 200)
	}
	if s := r.server.State(gatewayName()); s.AckedRevision != 0 {
		t.Errorf("a proxy has answered nothing, but the state is %+v", s)
	}
	_ = stuck.stream.CloseSend()
	r.waitFor(func(s xds.State) bool { return s.Connected == 1 && s.AckedRevision == r.revision })
}

// TestNothingIsLeft is not parallel: it counts goroutines.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("work", func(t *testing.T) {
		w := newWorld(t)
		w.publish(to(8080, edsCluster("a", 1, nil)).ir())
		for range 3 {
			w.proxy().next(resource.ClusterType)
		}
		w.server.Publish(ir.Name{Namespace: "a", Name: "b"}, 1, w.build(gateway{port: 1}.ir()))
		w.server.Remove(ir.Name{Namespace: "a", Name: "b"})
	})
	envoytest.Eventually(t, patient, func() error {
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<16)
			return fmt.Errorf("%d goroutines, %d before:\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
		}
		return nil
	})
}
