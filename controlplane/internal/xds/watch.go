package xds

import (
	"context"
	"errors"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/protobuf/proto"
)

// CreateDeltaWatch finds the Gateway's cache of the type. It sends again what
// a proxy subscribes to again: Envoy does that when it has dropped a cluster
// and makes it anew, and would else wait 15 s for endpoints that
// go-control-plane believes it to have.
func (s *stream) CreateDeltaWatch(
	request *cache.DeltaRequest, sub cache.Subscription, responses chan cache.DeltaResponse,
) (func(), error) {
	k, ok := kindOf(request.GetTypeUrl())
	if !ok {
		return nil, nil
	}
	if len(request.GetInitialResourceVersions()) == 0 {
		sub = forgetting(sub, request.GetResourceNamesSubscribe())
	}
	if k == clusters {
		sub = s.hide(sub)
	}
	return s.gateway.caches[k].CreateDeltaWatch(request, sub, responses)
}

// CreateWatch finds the Gateway's cache of the type.
func (s *stream) CreateWatch(
	request *cache.Request, sub cache.Subscription, responses chan cache.Response,
) (func(), error) {
	k, ok := kindOf(request.GetTypeUrl())
	if !ok {
		return nil, nil
	}
	if request.GetErrorDetail() != nil && request.GetVersionInfo() == "" {
		// To LinearCache no version means that the proxy is new: it would send
		// the rejected response again, and again.
		request = proto.CloneOf(request)
		request.VersionInfo = rejectedVersion
	}
	return s.gateway.caches[k].CreateWatch(request, sub, responses)
}

const rejectedVersion = "rejected"

// Fetch is for REST, which is not served.
func (s *stream) Fetch(context.Context, *discoveryv3.DiscoveryRequest) (cache.Response, error) {
	return nil, errors.New("the REST protocol is not served")
}
