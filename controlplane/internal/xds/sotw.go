package xds

import (
	"context"
	"fmt"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	sotw "github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
)

type sotwServerStream = discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer

// StreamAggregatedResources serves one proxy over the SOTW protocol.
func (s *Server) StreamAggregatedResources(grpcStream sotwServerStream) error {
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
	wrapped := &sotwStream{sotwServerStream: grpcStream, stream: stream, requests: newRequests(ctx, first, grpcStream.Recv)}
	err = sotw.NewServer(ctx, stream, nil).StreamHandler(wrapped, resource.AnyType)
	return outcome(ctx, err)
}

// sotwStream follows what a proxy is sent and answers.
type sotwStream struct {
	sotwServerStream
	stream   *stream
	requests *requests[*discoveryv3.DiscoveryRequest]
}

// Recv gives the next request of the proxy, or one of ours.
func (d *sotwStream) Recv() (*discoveryv3.DiscoveryRequest, error) {
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
	nonce := request.GetResponseNonce()
	if request.GetErrorDetail() != nil || d.accepts(k, nonce, request.GetVersionInfo()) {
		d.stream.answer(k, nonce, request.GetErrorDetail())
	}
	d.stream.change(k, func(t *track) {
		t.subscribeOnly(request.GetResourceNames())
		if nonce == "" && request.GetVersionInfo() != "" || k == listeners {
			d.stream.serving = true
		}
	})
	return request, nil
}

// accepts tells an ACK from a mere change of names after a NACK, which repeats
// the nonce with the version before it.
func (d *sotwStream) accepts(k kind, nonce, version string) bool {
	d.stream.gateway.mu.Lock()
	defer d.stream.gateway.mu.Unlock()
	response, ok := d.stream.tracks[k].unanswered[nonce]
	return ok && response.version == version
}

// Send notes what is sent; see deltaStream.Send.
func (d *sotwStream) Send(response *discoveryv3.DiscoveryResponse) error {
	k, ok := kindOf(response.GetTypeUrl())
	if ok {
		versions, err := responseVersions(response)
		if err != nil {
			return err
		}
		d.stream.change(k, func(t *track) {
			// The answer to an older response is never told apart from none.
			clear(t.unanswered)
			t.send(response.GetNonce(), response.GetVersionInfo(), versions, nil, k.wildcard())
		})
	}
	if err := d.sotwServerStream.Send(response); err != nil {
		return err
	}
	if k == clusters && ok {
		d.requests.inject(&discoveryv3.DiscoveryRequest{
			TypeUrl:       response.GetTypeUrl(),
			ResponseNonce: response.GetNonce(),
			VersionInfo:   response.GetVersionInfo(),
		})
	}
	return nil
}

func responseVersions(response *discoveryv3.DiscoveryResponse) (map[string]string, error) {
	versions := make(map[string]string, len(response.GetResources()))
	for _, packed := range response.GetResources() {
		r, err := packed.UnmarshalNew()
		if err != nil {
			return nil, fmt.Errorf("decode an own resource of type %s: %w", response.GetTypeUrl(), err)
		}
		versions[cache.GetResourceName(r)] = cache.HashResource(packed.GetValue())
	}
	return versions, nil
}
