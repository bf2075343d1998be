package envoy

import (
	"errors"
	"math"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func setForward(out *routev3.Route, route *ir.Route) error {
	forward := route.Forward
	action := &routev3.RouteAction{
		// An invalid backend is a cluster that does not exist.
		ClusterNotFoundResponseCode: notFoundCode(route),
		Timeout:                     durationpb.New(requestTimeout(forward)),
		IdleTimeout:                 idleTimeout(forward),
	}
	if forward.HostRewrite != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: forward.HostRewrite}
	}
	if forward.Path != nil {
		rewrite, err := rewritePath(route.Match, *forward.Path)
		if err != nil {
			return err
		}
		action.PrefixRewrite, action.RegexRewrite = rewrite.prefix, rewrite.regex
	}
	var err error
	if action.RetryPolicy, err = retryPolicy(forward); err != nil {
		return err
	}
	if action.RetryPolicy != nil {
		out.RequestBodyBufferLimit = wrapperspb.UInt64(retriedBody)
	}
	if action.RequestMirrorPolicies, err = mirrorPolicies(forward.Mirrors); err != nil {
		return err
	}
	used, err := usedClusters(forward)
	if err != nil {
		return err
	}
	if len(used) == 0 {
		out.Action = failure(route)
		return nil
	}
	if err := setClusters(action, used); err != nil {
		return err
	}
	out.Action = &routev3.Route_Route{Route: action}
	return nil
}

// notFoundCode says that a cluster is missing as failure does.
func notFoundCode(route *ir.Route) routev3.RouteAction_ClusterNotFoundResponseCode {
	if route.GRPC {
		return routev3.RouteAction_SERVICE_UNAVAILABLE
	}
	return routev3.RouteAction_INTERNAL_SERVER_ERROR
}

// requestTimeout is zero, which means no limit to Envoy, unless the route sets
// one: Envoy's own default of 15 s would cut what Gateway API does not limit.
// Without retries an attempt is the whole request.
func requestTimeout(forward *ir.Forward) time.Duration {
	total, attempt := limitOf(forward.Timeout), limitOf(forward.PerTryTimeout)
	if forward.Retry == nil && attempt > 0 && (total == 0 || attempt < total) {
		return attempt
	}
	return total
}

// limitOf is zero for no limit.
func limitOf(timeout *time.Duration) time.Duration {
	if timeout == nil {
		return 0
	}
	return max(*timeout, 0)
}

// streamIdleTimeout is how long Envoy lets a stream be silent by default.
const streamIdleTimeout = 5 * time.Minute

// idleTimeout keeps a silent stream for as long as the route lets a request
// last, where that is longer than Envoy's default. Zero means no limit; nil is
// the default.
func idleTimeout(forward *ir.Forward) *durationpb.Duration {
	limit := requestTimeout(forward)
	if forward.Retry != nil && limit == 0 {
		limit = attempts(limitOf(forward.PerTryTimeout), forward.Retry)
	}
	isSet := forward.Timeout != nil || forward.PerTryTimeout != nil
	if isSet && limit == 0 || limit > streamIdleTimeout {
		return durationpb.New(limit)
	}
	return nil
}

// usedClusters leaves out the entries of weight zero.
func usedClusters(forward *ir.Forward) ([]ir.WeightedCluster, error) {
	if len(forward.Clusters) == 0 {
		return nil, errors.New("forward without a cluster")
	}
	var used []ir.WeightedCluster
	var total uint64
	for _, cluster := range forward.Clusters {
		if cluster.Weight > 0 {
			used = append(used, cluster)
			total += uint64(cluster.Weight)
		}
	}
	if total > math.MaxUint32 {
		return nil, errors.New("the weights add up to more than Envoy counts")
	}
	return used, nil
}

func setClusters(action *routev3.RouteAction, used []ir.WeightedCluster) error {
	if len(used) == 1 && noHeaderMods(used[0].RequestHeaders) && noHeaderMods(used[0].ResponseHeaders) {
		action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: used[0].Cluster}
		return nil
	}
	weighted := &routev3.WeightedCluster{}
	for _, cluster := range used {
		entry := &routev3.WeightedCluster_ClusterWeight{
			Name:   cluster.Cluster,
			Weight: wrapperspb.UInt32(cluster.Weight),
		}
		var err error
		if entry.RequestHeadersToAdd, entry.RequestHeadersToRemove, err = headerMods(cluster.RequestHeaders); err != nil {
			return err
		}
		if entry.ResponseHeadersToAdd, entry.ResponseHeadersToRemove, err = headerMods(cluster.ResponseHeaders); err != nil {
			return err
		}
		weighted.Clusters = append(weighted.Clusters, entry)
	}
	action.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: weighted}
	return nil
}
