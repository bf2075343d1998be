package xds

import (
	"context"
	"fmt"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	sotw "github.com/envoyproxy/go-control-plane/pkg/server/sotw/v3"
	"google.golang.org/protobuf/types/known/anypb"
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
	if err := stream.enter(ctx); err != nil {
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
	request.ResponseNonce = wholeNonce(nonce)
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

// Send sends and notes the response; see deltaStream.Send.
func (d *sotwStream) Send(response *discoveryv3.DiscoveryResponse) error {
	k, ok := kindOf(response.GetTypeUrl())
	if !ok {
		return d.sotwServerStream.Send(response)
	}
	for _, part := range sotwParts(k, response) {
		versions, err := responseVersions(part)
		if err != nil {
			return err
		}
		d.stream.change(k, func(t *track) {
			t.send(part.GetNonce(), part.GetVersionInfo(), versions, nil, k.wildcard())
		})
		if err := d.sotwServerStream.Send(part); err != nil {
			return err
		}
		d.stream.sent(k)
	}
	if k == clusters {
		d.requests.inject(&discoveryv3.DiscoveryRequest{
			TypeUrl:       response.GetTypeUrl(),
			ResponseNonce: response.GetNonce(),
			VersionInfo:   response.GetVersionInfo(),
		})
	}
	return nil
}

func sotwParts(k kind, response *discoveryv3.DiscoveryResponse) []*discoveryv3.DiscoveryResponse {
	if !k.splits() || len(response.GetResources()) < 2 {
		return []*discoveryv3.DiscoveryResponse{response}
	}
	var parts []*discoveryv3.DiscoveryResponse
	for i, r := range response.GetResources() {
		parts = append(parts, &discoveryv3.DiscoveryResponse{
			VersionInfo: response.GetVersionInfo(),
			TypeUrl:     response.GetTypeUrl(),
			Nonce:       partNonce(response.GetNonce(), i),
			Resources:   []*anypb.Any{r},
		})
	}
	return parts
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
