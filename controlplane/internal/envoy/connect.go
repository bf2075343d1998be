package envoy

import (
	"errors"
	"math"
	"slices"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// connectionIdleTimeout closes connections on which nothing comes or goes:
// without it those whose end was lost would pile up. It is Envoy's default.
const connectionIdleTimeout = time.Hour

// tcpProxy takes connections to clusters by weight. A share whose cluster does
// not exist, which is what an invalid backend is, is closed.
func (b *builder) tcpProxy(statPrefix string, chain *ir.FilterChain) (*listenerv3.Filter, error) {
	if err := b.checkConnect(chain); err != nil {
		return nil, err
	}
	proxy := &tcpproxyv3.TcpProxy{
		StatPrefix:  statPrefix,
		IdleTimeout: durationpb.New(connectionIdleTimeout),
	}
	var used []*tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight
	var total uint64
	for _, c := range chain.Forward.Clusters {
		if c.Weight > 0 {
			used = append(used, &tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight{Name: c.Cluster, Weight: c.Weight})
			total += uint64(c.Weight)
		}
	}
	switch {
	case len(used) == 0:
		return nil, errors.New("connections without a cluster that has weight")
	case total > math.MaxUint32:
		return nil, errors.New("the weights add up to more than Envoy counts")
	case len(used) == 1:
		proxy.ClusterSpecifier = &tcpproxyv3.TcpProxy_Cluster{Cluster: used[0].GetName()}
	default:
		proxy.ClusterSpecifier = &tcpproxyv3.TcpProxy_WeightedClusters{
			WeightedClusters: &tcpproxyv3.TcpProxy_WeightedCluster{Clusters: used},
		}
	}
	config, err := packed(proxy)
	if err != nil {
		return nil, err
	}
	return &listenerv3.Filter{
		Name:       "envoy.filters.network.tcp_proxy",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: config},
	}, nil
}

// checkConnect keeps what a client has encrypted for a backend apart from
// what the proxy itself encrypts, or not: the one must never take the way of
// the other.
func (b *builder) checkConnect(chain *ir.FilterChain) error {
	for _, c := range chain.Forward.Clusters {
		if passthrough, known := b.passthrough[c.Cluster]; known && passthrough != (chain.TLS == nil) {
			return errors.New("a chain that passes TLS through, and no other, needs a cluster for it: " + c.Cluster)
		}
	}
	return nil
}

// closedChain takes the place of a chain that was left out, where another one
// could take its connections to a backend that is not theirs.
func (b *builder) closedChain(l *ir.Listener, chain *ir.FilterChain) *listenerv3.FilterChain {
	if !slices.ContainsFunc(l.Chains, func(c ir.FilterChain) bool { return c.Forward != nil }) {
		return nil
	}
	clear(b.staged)
	closed, err := b.buildChain(l, &ir.FilterChain{
		Name: chain.Name, ServerNames: chain.ServerNames,
		Forward: &ir.Connect{Clusters: []ir.WeightedCluster{{Cluster: contract.InvalidCluster, Weight: 1}}},
	})
	if err != nil {
		return nil
	}
	return closed
}
