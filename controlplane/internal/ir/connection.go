package ir

import "time"

// Connection is what policies say of a cluster beside its TLS. What is nil or
// empty is Envoy's default, or the controller's.
type Connection struct {
	// BufferLimit is in bytes for each connection; zero is no limit.
	BufferLimit *uint32 `json:",omitempty"`
	// DNS counts with DiscoverDNS only.
	DNS       *DNS       `json:",omitempty"`
	Keepalive *Keepalive `json:",omitempty"`
	// ProxyProtocol is the version of the PROXY header that begins each
	// connection, before TLS: 1 or 2; zero sends none.
	ProxyProtocol int          `json:",omitempty"`
	HTTP          *HTTPOptions `json:",omitempty"`
	// HTTP1 and HTTP2 count where the cluster speaks that protocol.
	HTTP1            *HTTP1Options     `json:",omitempty"`
	HTTP2            *HTTP2Options     `json:",omitempty"`
	LoadBalancer     *LoadBalancer     `json:",omitempty"`
	HealthCheck      *HealthCheck      `json:",omitempty"`
	OutlierDetection *OutlierDetection `json:",omitempty"`
	CircuitBreakers  *CircuitBreakers  `json:",omitempty"`
}

// DNS is how names are resolved.
type DNS struct {
	RefreshRate, Jitter *time.Duration `json:",omitempty"`
	RespectTTL          *bool          `json:",omitempty"`
}

// Keepalive is TCP's; times are whole seconds.
type Keepalive struct {
	Probes         *uint32        `json:",omitempty"`
	Idle, Interval *time.Duration `json:",omitempty"`
}

// HTTPOptions are for every version of HTTP; zero turns a limit off.
type HTTPOptions struct {
	IdleTimeout, MaxConnectionDuration, MaxStreamDuration *time.Duration `json:",omitempty"`
	MaxHeadersCount, MaxRequestsPerConnection             *uint32        `json:",omitempty"`
}

// HTTP1Options are for HTTP/1.1.
type HTTP1Options struct {
	EnableTrailers, PreserveHeaderCase, OverrideStreamError *bool `json:",omitempty"`
}

// HTTP2Options are for HTTP/2; windows are in bytes.
type HTTP2Options struct {
	StreamWindow, ConnectionWindow, MaxConcurrentStreams *uint32 `json:",omitempty"`
	OverrideStreamError                                  *bool   `json:",omitempty"`
	Ping                                                 *Ping   `json:",omitempty"`
}

// Ping finds dead HTTP/2 connections.
type Ping struct {
	Timeout                time.Duration
	Interval, IdleInterval *time.Duration `json:",omitempty"`
}

// CircuitBreakers are limits of what is under way at once.
type CircuitBreakers struct {
	MaxConnections, MaxPendingRequests, MaxRequests, MaxRetries *uint32 `json:",omitempty"`
	TrackRemaining                                              *bool   `json:",omitempty"`
}

// OutlierDetection takes endpoints out whose answers are bad; percentages are
// whole.
type OutlierDetection struct {
	Consecutive5xx, MaxEjectionPercent, EnforcingConsecutive5xx           *uint32        `json:",omitempty"`
	ConsecutiveLocalOriginFailure, EnforcingConsecutiveLocalOriginFailure *uint32        `json:",omitempty"`
	Interval, BaseEjectionTime                                            *time.Duration `json:",omitempty"`
	SplitExternalLocalOriginErrors                                        *bool          `json:",omitempty"`
}

// HealthCheck probes endpoints. Exactly one of HTTP, GRPC and TCP is set.
type HealthCheck struct {
	Timeout, Interval                    time.Duration
	UnhealthyThreshold, HealthyThreshold uint32
	// Host is the Host header or :authority of probes; empty is each
	// endpoint's own host.
	Host string           `json:",omitempty"`
	HTTP *HTTPHealthCheck `json:",omitempty"`
	GRPC *GRPCHealthCheck `json:",omitempty"`
	TCP  *TCPHealthCheck  `json:",omitempty"`
}

// HTTPHealthCheck is a request that must be answered 200.
type HTTPHealthCheck struct {
	Path string
	// Method; empty is GET.
	Method string `json:",omitempty"`
}

// GRPCHealthCheck asks grpc.health.v1 for a service; empty is the server.
type GRPCHealthCheck struct{ Service string }

// TCPHealthCheck sends and expects bytes, in hexadecimal.
type TCPHealthCheck struct {
	Send    string   `json:",omitempty"`
	Receive []string `json:",omitempty"`
}
