package envoy

import (
	"cmp"
	"fmt"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	proxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	rawv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// setConnection applies what policies say of connections beside TLS and HTTP.
// It comes last: the PROXY header wraps the TLS socket.
func setConnection(cluster *clusterv3.Cluster, c *ir.Cluster) error {
	connection := c.Connection
	if connection == nil {
		return nil
	}
	if connection.BufferLimit != nil {
		cluster.PerConnectionBufferLimitBytes = number(connection.BufferLimit)
	}
	if connection.Keepalive != nil {
		cluster.UpstreamConnectionOptions = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: tcpKeepalive(connection.Keepalive)}
	}
	if connection.CircuitBreakers != nil {
		cluster.CircuitBreakers = circuitBreakers(connection.CircuitBreakers)
	}
	if connection.OutlierDetection != nil {
		cluster.OutlierDetection = outlierDetection(connection.OutlierDetection)
	}
	if err := setLoadBalancer(cluster, c); err != nil {
		return fmt.Errorf("load balancer: %w", err)
	}
	if err := setHealthCheck(cluster, c); err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	return setProxyProtocol(cluster, connection.ProxyProtocol)
}

// number is nil where n is: Envoy's default.
func number(n *uint32) *wrapperspb.UInt32Value {
	if n == nil {
		return nil
	}
	return wrapperspb.UInt32(*n)
}

func wideNumber(n *uint64) *wrapperspb.UInt64Value {
	if n == nil {
		return nil
	}
	return wrapperspb.UInt64(*n)
}

func flag(b *bool) *wrapperspb.BoolValue {
	if b == nil {
		return nil
	}
	return wrapperspb.Bool(*b)
}

func isSet(b *bool) bool { return b != nil && *b }

func duration(d *time.Duration) *durationpb.Duration {
	if d == nil {
		return nil
	}
	return durationpb.New(*d)
}

func tcpKeepalive(k *ir.Keepalive) *corev3.TcpKeepalive {
	seconds := func(d *time.Duration) *wrapperspb.UInt32Value {
		if d == nil {
			return nil
		}
		return wrapperspb.UInt32(uint32(d.Seconds()))
	}
	return &corev3.TcpKeepalive{
		KeepaliveProbes: number(k.Probes), KeepaliveTime: seconds(k.Idle), KeepaliveInterval: seconds(k.Interval),
	}
}

func circuitBreakers(b *ir.CircuitBreakers) *clusterv3.CircuitBreakers {
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     number(b.MaxConnections),
		MaxPendingRequests: number(b.MaxPendingRequests),
		MaxRequests:        number(b.MaxRequests),
		MaxRetries:         number(b.MaxRetries),
		TrackRemaining:     isSet(b.TrackRemaining),
	}}}
}

func outlierDetection(o *ir.OutlierDetection) *clusterv3.OutlierDetection {
	return &clusterv3.OutlierDetection{
		Consecutive_5Xx:                        number(o.Consecutive5xx),
		Interval:                               duration(o.Interval),
		BaseEjectionTime:                       duration(o.BaseEjectionTime),
		MaxEjectionPercent:                     number(o.MaxEjectionPercent),
		EnforcingConsecutive_5Xx:               number(o.EnforcingConsecutive5xx),
		SplitExternalLocalOriginErrors:         isSet(o.SplitExternalLocalOriginErrors),
		ConsecutiveLocalOriginFailure:          number(o.ConsecutiveLocalOriginFailure),
		EnforcingConsecutiveLocalOriginFailure: number(o.EnforcingConsecutiveLocalOriginFailure),
	}
}

// setProxyProtocol has a PROXY header sent before anything else: the socket
// that the cluster has, TLS or plaintext, goes inside.
func setProxyProtocol(cluster *clusterv3.Cluster, version int) error {
	if version == 0 {
		return nil
	}
	versions := map[int]corev3.ProxyProtocolConfig_Version{1: corev3.ProxyProtocolConfig_V1, 2: corev3.ProxyProtocolConfig_V2}
	known, ok := versions[version]
	if !ok {
		return fmt.Errorf("PROXY protocol version %d is unknown", version)
	}
	raw, err := packed(&rawv3.RawBuffer{})
	if err != nil {
		return err
	}
	inner := cmp.Or(cluster.TransportSocket, &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.raw_buffer",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: raw},
	})
	outer, err := packed(&proxyv3.ProxyProtocolUpstreamTransport{
		Config:          &corev3.ProxyProtocolConfig{Version: known},
		TransportSocket: inner,
	})
	if err != nil {
		return err
	}
	cluster.TransportSocket = &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.upstream_proxy_protocol",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: outer},
	}
	return nil
}
