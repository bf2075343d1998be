package xds

import (
	"context"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	delta "github.com/envoyproxy/go-control-plane/pkg/server/delta/v3"
)

type deltaServerStream = discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer

// DeltaAggregatedResources serves one proxy over the delta protocol.
func (s *Server) DeltaAggregatedResources(grpcStream deltaServerStream) error {
	first, err := grpcStream.Recv()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(grpcStream.Context())
	defer cancel(nil)
	stream, err := s.admit(ctx, cancel, first.GetNode())
	if err != nil {
		return err
	}
	wrapped := &deltaStream{deltaServerStream: grpcStream, stream: stream, requests: newRequests(ctx, first, grpcStream.Recv)}
	stream.returning = returning{
		since:   time.Now(),
		holding: len(first.GetInitialResourceVersions()) > 0,
		nudge:   wrapped.nudge,
	}
	if err := stream.enter(ctx); err != nil {
		return err
	}
	defer stream.gateway.leave(stream)
	err = delta.NewServer(ctx, stream, nil).DeltaStreamHandler(wrapped, resource.AnyType)
	return outcome(ctx, err)
}

// deltaStream follows what a proxy is sent and answers.
//
// A response that a cache made just before a proxy unsubscribed may be sent
// after go-control-plane has noted that (its change 1498 drops these where
// types share a queue, and over the delta protocol they do). It does no harm:
// Envoy ignores resources that it has not subscribed to, and if it subscribes
// later they are sent again, whatever go-control-plane believes it to have.
type deltaStream struct {
	deltaServerStream
	stream   *stream
	requests *requests[*discoveryv3.DeltaDiscoveryRequest]
	// held are requests that wait; see returning.
	held []*discoveryv3.DeltaDiscoveryRequest
}

// Recv gives the next request of the proxy, or one of ours.
func (d *deltaStream) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	for {
		if len(d.held) > 0 && !d.stream.isHolding() {
			request := d.held[0]
			d.held = d.held[1:]
			return request, nil
		}
		request, own, err := d.requests.next()
		if err != nil || own {
			return request, err
		}
		if err := d.stream.checkNode(request.GetNode()); err != nil {
			d.stream.cancel(err)
			return nil, err
		}
		k, ok := kindOf(request.GetTypeUrl())
		if ok {
			d.note(k, request)
		}
		if ok && (k == routes || k == listeners) && (len(d.held) > 0 || d.stream.isHolding()) {
			d.held = append(d.held, request)
			continue
		}
		return request, nil
	}
}

// note follows a request of the proxy.
func (d *deltaStream) note(k kind, request *discoveryv3.DeltaDiscoveryRequest) {
	if nonce := request.GetResponseNonce(); nonce != "" {
		d.stream.answer(k, nonce, request.GetErrorDetail())
		request.ResponseNonce = wholeNonce(nonce)
	}
	d.stream.change(k, func(t *track) {
		initial := request.GetInitialResourceVersions()
		if len(initial) > 0 || k == listeners {
			d.stream.serving = true
		}
		if k == clusters && len(initial) > 0 {
			initial = d.stream.claim(initial, d.stream.gateway.served[clusters])
		}
		t.subscribe(request.GetResourceNamesSubscribe(), request.GetResourceNamesUnsubscribe(), initial)
	})
}

// nudge makes go-control-plane open the watch of clusters anew.
func (d *deltaStream) nudge() {
	d.requests.inject(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: clusters.typeURL(), ResponseNonce: ownNonce})
}

// ownNonce marks a request that no proxy sent; LinearCache takes one without a
// nonce for a proxy's first.
const ownNonce = "own"

// Send sends and notes the response, in parts where it must be.
//
// It does not let the next change of clusters wait for the answer to this one,
// which a single cluster that does not get warm would hold up: go-control-plane
// opens the next watch on a request, so it gets one.
func (d *deltaStream) Send(response *discoveryv3.DeltaDiscoveryResponse) error {
	k, ok := kindOf(response.GetTypeUrl())
	if !ok {
		return d.deltaServerStream.Send(response)
	}
	for _, part := range deltaParts(k, response) {
		versions := make(map[string]string, len(part.GetResources()))
		for _, r := range part.GetResources() {
			versions[r.GetName()] = r.GetVersion()
		}
		d.stream.change(k, func(t *track) {
			t.send(part.GetNonce(), "", versions, part.GetRemovedResources(), false)
		})
		if err := d.deltaServerStream.Send(part); err != nil {
			return err
		}
		d.stream.sent(k)
	}
	if k == clusters {
		d.nudge()
	}
	return nil
}

// deltaParts has one resource in each response of a kind of which Envoy drops
// the good resources along with a bad one. What is removed goes with the
// first.
func deltaParts(k kind, response *discoveryv3.DeltaDiscoveryResponse) []*discoveryv3.DeltaDiscoveryResponse {
	if !k.splits() || len(response.GetResources()) < 2 {
		return []*discoveryv3.DeltaDiscoveryResponse{response}
	}
	var parts []*discoveryv3.DeltaDiscoveryResponse
	for i, r := range response.GetResources() {
		part := &discoveryv3.DeltaDiscoveryResponse{
			SystemVersionInfo: response.GetSystemVersionInfo(),
			TypeUrl:           response.GetTypeUrl(),
			Nonce:             partNonce(response.GetNonce(), i),
			Resources:         []*discoveryv3.Resource{r},
		}
		if i == 0 {
			part.RemovedResources = response.GetRemovedResources()
		}
		parts = append(parts, part)
	}
	return parts
}
