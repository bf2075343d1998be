package xds

import (
	"context"

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
	defer stream.gateway.leave(stream)
	wrapped := &deltaStream{deltaServerStream: grpcStream, stream: stream, requests: newRequests(ctx, first, grpcStream.Recv)}
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
}

// Recv gives the next request of the proxy, or one of ours.
func (d *deltaStream) Recv() (*discoveryv3.DeltaDiscoveryRequest, error) {
	request, own, err := d.requests.next()
	if err != nil || own {
		return request, err
	}
	if err := d.stream.checkNode(request.GetNode()); err != nil {
		d.stream.cancel(err)
		return nil, err
	}
	k, ok := kindOf(request.GetTypeUrl())
	if !ok {
		return request, nil
	}
	if nonce := request.GetResponseNonce(); nonce != "" {
		d.stream.answer(k, nonce, request.GetErrorDetail())
	}
	d.stream.change(k, func(t *track) {
		t.subscribe(request.GetResourceNamesSubscribe(), request.GetResourceNamesUnsubscribe(),
			request.GetInitialResourceVersions())
		if len(request.GetInitialResourceVersions()) > 0 || k == listeners {
			d.stream.serving = true
		}
	})
	return request, nil
}

// Send notes what is sent. It does not let the next change of clusters wait
// for the answer to this one, which a single cluster that does not get warm
// would hold up: go-control-plane opens the next watch on a request, so it
// gets one.
func (d *deltaStream) Send(response *discoveryv3.DeltaDiscoveryResponse) error {
	k, ok := kindOf(response.GetTypeUrl())
	if ok {
		versions := make(map[string]string, len(response.GetResources()))
		for _, r := range response.GetResources() {
			versions[r.GetName()] = r.GetVersion()
		}
		d.stream.change(k, func(t *track) {
			t.send(response.GetNonce(), "", versions, response.GetRemovedResources(), false)
		})
	}
	if err := d.deltaServerStream.Send(response); err != nil {
		return err
	}
	if k == clusters && ok {
		d.requests.inject(&discoveryv3.DeltaDiscoveryRequest{
			TypeUrl:       response.GetTypeUrl(),
			ResponseNonce: response.GetNonce(),
		})
	}
	return nil
}
