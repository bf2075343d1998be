package envoy

import (
	"errors"
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// setHealthCheck probes endpoints over the cluster's own transport socket.
func setHealthCheck(cluster *clusterv3.Cluster, c *ir.Cluster) error {
	check := c.Connection.HealthCheck
	_, speaksHTTP2 := c.Protocols()
	switch {
	case check == nil:
		return nil
	case c.Passthrough && check.TCP == nil:
		// The proxy has no TLS of its own here, and sends nothing in plaintext.
		return nil
	case check.GRPC != nil && !speaksHTTP2:
		// Envoy would reject the cluster.
		return nil
	}
	out := &corev3.HealthCheck{
		Timeout:  durationpb.New(check.Timeout),
		Interval: durationpb.New(check.Interval),
		// By default Envoy would wait for a minute after the first probe.
		NoTrafficInterval:  durationpb.New(check.Interval),
		UnhealthyThreshold: wrapperspb.UInt32(check.UnhealthyThreshold),
		HealthyThreshold:   wrapperspb.UInt32(check.HealthyThreshold),
	}
	if err := setProbe(out, c); err != nil {
		return err
	}
	cluster.HealthChecks = []*corev3.HealthCheck{out}
	// Kubernetes knows when an endpoint is gone: its address may soon be
	// another's.
	cluster.IgnoreHealthOnHostRemoval = true
	return nil
}

func setProbe(out *corev3.HealthCheck, c *ir.Cluster) error {
	check := c.Connection.HealthCheck
	switch {
	case check.HTTP != nil:
		return setHTTPProbe(out, c)
	case check.GRPC != nil:
		out.HealthChecker = &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{
			ServiceName: check.GRPC.Service, Authority: check.Host,
		}}
		probeALPN(out, c, alpnHTTP2)
	case check.TCP != nil:
		out.HealthChecker = &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: tcpProbe(c)}
	default:
		return errors.New("one of http, grpc and tcp must be set")
	}
	return nil
}

// tcpProbe only connects where the TLS of clients passes through: its bytes
// would be plaintext.
func tcpProbe(c *ir.Cluster) *corev3.HealthCheck_TcpHealthCheck {
	check, probe := c.Connection.HealthCheck.TCP, &corev3.HealthCheck_TcpHealthCheck{}
	if c.Passthrough {
		return probe
	}
	if check.Send != "" {
		probe.Send = payload(check.Send)
	}
	for _, bytes := range check.Receive {
		probe.Receive = append(probe.Receive, payload(bytes))
	}
	return probe
}

func payload(hex string) *corev3.HealthCheck_Payload {
	return &corev3.HealthCheck_Payload{Payload: &corev3.HealthCheck_Payload_Text{Text: hex}}
}

func setHTTPProbe(out *corev3.HealthCheck, c *ir.Cluster) error {
	check := c.Connection.HealthCheck
	method := corev3.RequestMethod_METHOD_UNSPECIFIED
	if check.HTTP.Method != "" {
		number, known := corev3.RequestMethod_value[check.HTTP.Method]
		if !known {
			return fmt.Errorf("method %q is unknown", check.HTTP.Method)
		}
		method = corev3.RequestMethod(number)
	}
	probe := &corev3.HealthCheck_HttpHealthCheck{Host: check.Host, Path: check.HTTP.Path, Method: method}
	if speaksHTTP1, _ := c.Protocols(); speaksHTTP1 {
		probeALPN(out, c, alpnHTTP1)
	} else {
		probe.CodecClientType = typev3.CodecClientType_HTTP2
	}
	out.HealthChecker = &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: probe}
	return nil
}

// probeALPN has a probe offer the one protocol that it speaks, where the
// cluster offers both.
func probeALPN(out *corev3.HealthCheck, c *ir.Cluster, protocol string) {
	if http1, http2 := c.Protocols(); http1 && http2 {
		out.TlsOptions = &corev3.HealthCheck_TlsOptions{AlpnProtocols: []string{protocol}}
	}
}

// probesByOwnHost tells whether probes ask for each endpoint's own host.
func probesByOwnHost(c *ir.Cluster) bool {
	if c.Connection == nil || c.Connection.HealthCheck == nil {
		return false
	}
	check := c.Connection.HealthCheck
	return check.TCP == nil && check.Host == ""
}

// hostHeader writes a host as RFC 9110 has it in a Host header.
func hostHeader(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
