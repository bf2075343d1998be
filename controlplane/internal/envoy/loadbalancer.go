package envoy

import (
	"errors"
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	lbv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	leastv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	maglevv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/maglev/v3"
	randomv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/random/v3"
	ringv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	robinv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func setLoadBalancer(cluster *clusterv3.Cluster, c *ir.Cluster) error {
	balancer := c.Connection.LoadBalancer
	if balancer == nil {
		return nil
	}
	cluster.CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{
		UpdateMergeWindow:               duration(balancer.MergeWindow),
		CloseConnectionsOnHostSetChange: balancer.CloseOnChange,
	}
	if balancer.PanicThreshold != nil {
		cluster.CommonLbConfig.HealthyPanicThreshold = percent(*balancer.PanicThreshold)
	}
	name, config, err := balancingPolicy(balancer, c)
	if err != nil {
		return err
	}
	typed, err := packed(config)
	if err != nil {
		return err
	}
	cluster.LoadBalancingPolicy = &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{
		TypedExtensionConfig: &corev3.TypedExtensionConfig{Name: "envoy.load_balancing_policies." + name, TypedConfig: typed},
	}}}
	return nil
}

func percent(n uint32) *typev3.Percent { return &typev3.Percent{Value: float64(n)} }

func balancingPolicy(b *ir.LoadBalancer, c *ir.Cluster) (name string, config message, err error) {
	switch b.Method {
	case ir.LeastRequest:
		return "least_request", &leastv3.LeastRequest{
			ChoiceCount: wrapperspb.UInt32(b.ChoiceCount), LocalityLbConfig: locality(b), SlowStartConfig: slowStart(b.SlowStart, c),
		}, nil
	case ir.RoundRobin:
		return "round_robin", &robinv3.RoundRobin{LocalityLbConfig: locality(b), SlowStartConfig: slowStart(b.SlowStart, c)}, nil
	case ir.RingHash:
		hashing, err := consistentHashing(b, c)
		return "ring_hash", &ringv3.RingHash{
			MinimumRingSize: wideNumber(b.RingMinimum), MaximumRingSize: wideNumber(b.RingMaximum),
			ConsistentHashingLbConfig: hashing, LocalityWeightedLbConfig: locality(b).GetLocalityWeightedLbConfig(),
		}, err
	case ir.Maglev:
		hashing, err := consistentHashing(b, c)
		return "maglev", &maglevv3.Maglev{
			ConsistentHashingLbConfig: hashing, LocalityWeightedLbConfig: locality(b).GetLocalityWeightedLbConfig(),
		}, err
	case ir.Random:
		return "random", &randomv3.Random{LocalityLbConfig: locality(b)}, nil
	}
	return "", nil, fmt.Errorf("method %d is unknown", b.Method)
}

// locality is nil where zones play no part.
func locality(b *ir.LoadBalancer) *lbv3.LocalityLbConfig {
	switch {
	case b.LocalityWeights:
		return &lbv3.LocalityLbConfig{LocalityConfigSpecifier: &lbv3.LocalityLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &lbv3.LocalityLbConfig_LocalityWeightedLbConfig{},
		}}
	case b.ZoneAware != nil:
		zones := &lbv3.LocalityLbConfig_ZoneAwareLbConfig{MinClusterSize: wideNumber(b.ZoneAware.MinEndpoints)}
		if b.ZoneAware.Percent != nil {
			zones.RoutingEnabled = percent(*b.ZoneAware.Percent)
		}
		if b.ZoneAware.Force != nil {
			zones.ForceLocalZone = &lbv3.LocalityLbConfig_ZoneAwareLbConfig_ForceLocalZone{MinSize: number(b.ZoneAware.Force)}
		}
		return &lbv3.LocalityLbConfig{LocalityConfigSpecifier: &lbv3.LocalityLbConfig_ZoneAwareLbConfig_{ZoneAwareLbConfig: zones}}
	}
	return nil
}

func slowStart(s *ir.SlowStart, c *ir.Cluster) *lbv3.SlowStartConfig {
	if s == nil {
		return nil
	}
	config := &lbv3.SlowStartConfig{SlowStartWindow: duration(s.Window)}
	if s.Aggression != nil {
		// Nobody sets the key, but Envoy wants one.
		config.Aggression = &corev3.RuntimeDouble{DefaultValue: *s.Aggression, RuntimeKey: c.StatName + ".slowStart.aggression"}
	}
	if s.MinWeightPercent != nil {
		config.MinWeightPercent = percent(*s.MinWeightPercent)
	}
	return config
}

// consistentHashing carries the hash policies too, so that each cluster of a
// route has its own. Names are hashed only where endpoints have some: else all
// would be the same.
func consistentHashing(b *ir.LoadBalancer, c *ir.Cluster) (*lbv3.ConsistentHashingLbConfig, error) {
	config := &lbv3.ConsistentHashingLbConfig{UseHostnameForHashing: b.HashHostnames && c.Discovery == ir.DiscoverDNS}
	for i := range b.Hash {
		policy, err := hashPolicy(&b.Hash[i])
		if err != nil {
			return nil, fmt.Errorf("hash policy %d: %w", i, err)
		}
		config.HashPolicy = append(config.HashPolicy, policy)
	}
	return config, nil
}

func hashPolicy(p *ir.HashPolicy) (*routev3.RouteAction_HashPolicy, error) {
	out := &routev3.RouteAction_HashPolicy{Terminal: p.Terminal}
	switch {
	case p.Header != "":
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: p.Header}}
	case p.Cookie != nil:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: hashCookie(p.Cookie)}
	case p.SourceIP:
		out.PolicySpecifier = &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true},
		}
	default:
		return nil, errors.New("one of header, cookie and source IP must be set")
	}
	return out, nil
}

func hashCookie(c *ir.HashCookie) *routev3.RouteAction_HashPolicy_Cookie {
	cookie := &routev3.RouteAction_HashPolicy_Cookie{Name: c.Name, Path: c.Path, Ttl: duration(c.TTL)}
	for _, attribute := range []struct {
		isSet       bool
		name, value string
	}{{c.Secure, "Secure", ""}, {c.HTTPOnly, "HttpOnly", ""}, {c.SameSite != "", "SameSite", c.SameSite}} {
		if attribute.isSet {
			cookie.Attributes = append(cookie.Attributes, &routev3.RouteAction_HashPolicy_CookieAttribute{Name: attribute.name, Value: attribute.value})
		}
	}
	return cookie
}
