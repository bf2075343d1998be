package envoy_test

import (
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// connectionCases have every setting of connections.
func connectionCases() map[string]*ir.Gateway {
	const second = time.Second
	http1 := connectionCase(ir.Connection{
		BufferLimit:   number(0),
		Keepalive:     &ir.Keepalive{Probes: number(3), Idle: period(30 * second), Interval: period(5 * second)},
		ProxyProtocol: 1,
		HTTP: &ir.HTTPOptions{
			IdleTimeout: period(0), MaxConnectionDuration: period(second), MaxStreamDuration: period(second),
			MaxHeadersCount: number(50), MaxRequestsPerConnection: number(10),
		},
		HTTP1: &ir.HTTP1Options{EnableTrailers: yes(), PreserveHeaderCase: yes(), OverrideStreamError: yes()},
		// Not of HTTP/1.1: left out.
		HTTP2: &ir.HTTP2Options{MaxConcurrentStreams: number(1)},
		LoadBalancer: &ir.LoadBalancer{
			Method: ir.LeastRequest, ChoiceCount: 3, PanicThreshold: number(0), MergeWindow: period(0), CloseOnChange: true, LocalityWeights: true,
			SlowStart: &ir.SlowStart{Window: period(second), Aggression: fraction(1.5), MinWeightPercent: number(5)},
		},
		HealthCheck: &ir.HealthCheck{
			Timeout: second, Interval: second, UnhealthyThreshold: 2, HealthyThreshold: 1, Host: "a.example",
			HTTP: &ir.HTTPHealthCheck{Path: "/healthz", Method: "HEAD"},
		},
		OutlierDetection: &ir.OutlierDetection{
			Consecutive5xx: number(0), Interval: period(second), BaseEjectionTime: period(second), MaxEjectionPercent: number(50),
			EnforcingConsecutive5xx: number(90), SplitExternalLocalOriginErrors: yes(),
			ConsecutiveLocalOriginFailure: number(2), EnforcingConsecutiveLocalOriginFailure: number(80),
		},
		CircuitBreakers: &ir.CircuitBreakers{
			MaxConnections: number(1), MaxPendingRequests: number(2), MaxRequests: number(3), MaxRetries: number(0), TrackRemaining: yes(),
		},
	})
	http2 := connectionCase(ir.Connection{
		HTTP2: &ir.HTTP2Options{
			StreamWindow: number(65535), ConnectionWindow: number(1 << 20), MaxConcurrentStreams: number(10), OverrideStreamError: yes(),
			Ping: &ir.Ping{Timeout: second, Interval: period(second), IdleInterval: period(second)},
		},
		LoadBalancer: &ir.LoadBalancer{Method: ir.RoundRobin, ZoneAware: &ir.ZoneAware{MinEndpoints: wide(3), Percent: number(50), Force: number(2)}},
		HealthCheck:  &ir.HealthCheck{Timeout: second, Interval: second, GRPC: &ir.GRPCHealthCheck{Service: "a.b.C"}},
	})
	http2.Clusters[0].HTTP2 = true
	names := connectionCase(ir.Connection{
		DNS: &ir.DNS{RefreshRate: period(time.Minute), Jitter: period(second)},
		LoadBalancer: &ir.LoadBalancer{Method: ir.RingHash, RingMinimum: wide(16), HashHostnames: true, Hash: []ir.HashPolicy{
			{Header: "X-User", Terminal: true}, {SourceIP: true},
			{Cookie: &ir.HashCookie{Name: "a", Path: "/", TTL: period(second), Secure: true, HTTPOnly: true, SameSite: "Strict"}},
		}},
		HealthCheck: &ir.HealthCheck{Timeout: second, Interval: second, TCP: &ir.TCPHealthCheck{Send: "0a", Receive: []string{"0b"}}},
	})
	names.Clusters[0].Discovery, names.Clusters[0].Endpoints = ir.DiscoverDNS, []ir.Endpoint{endpoint("one.invalid")}
	// The proxy has no TLS of its own to probe with, and no plaintext goes out.
	through := connectionCase(ir.Connection{
		HealthCheck:  &ir.HealthCheck{Timeout: second, Interval: second, HTTP: &ir.HTTPHealthCheck{Path: "/"}},
		LoadBalancer: &ir.LoadBalancer{Method: ir.Maglev},
	})
	through.Clusters[0].Passthrough = true
	silent := connectionCase(ir.Connection{
		HealthCheck: &ir.HealthCheck{Timeout: second, Interval: second, TCP: &ir.TCPHealthCheck{Send: "0a", Receive: []string{"0b"}}},
	})
	silent.Clusters[0].Passthrough = true
	return map[string]*ir.Gateway{
		"connection-http1": http1, "connection-http2": http2, "connection-dns": names,
		"connection-passthrough": through, "connection-passthrough-tcp": silent,
	}
}

func wide(n uint64) *uint64       { return &n }
func fraction(n float64) *float64 { return &n }

func connectionCase(connection ir.Connection) *ir.Gateway {
	return withClusters(&ir.Cluster{StatName: "kube_default_nginx_80", Connection: &connection, Endpoints: []ir.Endpoint{
		{Host: "10.0.0.1", Port: 80, Zone: "b"}, {Host: "10.0.0.2", Port: 80, Zone: "a"}, {Host: "10.0.0.3", Port: 80, Zone: "b"},
		{Host: "10.0.0.4", Port: 80, Zone: "a", Draining: true},
	}})
}
