package v1alpha1

// DNS tunes how the proxy resolves DNS names (Envoy: DnsCluster).
//
// +kubebuilder:validation:XValidation:rule="!has(self.jitter) || !has(self.refreshRate) || duration(self.jitter) <= duration(self.refreshRate)",message="jitter must not be longer than refreshRate"
type DNS struct {
	// RefreshRate is how often names are resolved again (Envoy:
	// dns_refresh_rate). At least 100ms: the schema takes 1ms, as kgateway's,
	// and the controller does not serve it. Default: Envoy's, 5s, or the time to
	// live of the records where that is longer.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="refreshRate must be at least 1ms"
	RefreshRate *Duration `json:"refreshRate,omitempty"`

	// Jitter is the longest random time that is added to refreshRate, so that
	// proxies do not ask all at once (Envoy: dns_jitter). At most refreshRate.
	// +optional
	Jitter *Duration `json:"jitter,omitempty"`

	// RespectTTL takes the time to live of the records in place of refreshRate
	// (Envoy: respect_dns_ttl).
	// +optional
	RespectTTL *bool `json:"respectTTL,omitempty"`
}

// TCPKeepalive makes the kernel probe idle connections (Envoy:
// upstream_connection_options.tcp_keepalive).
type TCPKeepalive struct {
	// KeepAliveProbes is how many probes may stay unanswered before the
	// connection is closed (Envoy: keepalive_probes); 0 turns keepalive off. At
	// most 127, as Linux has it. Default: the system's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	KeepAliveProbes *int32 `json:"keepAliveProbes,omitempty"`

	// KeepAliveTime is how long a connection is idle before the first probe
	// (Envoy: keepalive_time, whole seconds; fractions are cut). At least 1s, at
	// most 32767s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="keepAliveTime must be at least 1s"
	KeepAliveTime *Duration `json:"keepAliveTime,omitempty"`

	// KeepAliveInterval is the time between probes (Envoy: keepalive_interval,
	// whole seconds; fractions are cut). At least 1s, at most 32767s.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="keepAliveInterval must be at least 1s"
	KeepAliveInterval *Duration `json:"keepAliveInterval,omitempty"`
}

// UpstreamProxyProtocol sends a PROXY protocol header.
type UpstreamProxyProtocol struct {
	// Version is that of the header: V1 is text, V2 binary (Envoy:
	// ProxyProtocolUpstreamTransport config.version).
	// +optional
	// +kubebuilder:default=V1
	Version *ProxyProtocolVersion `json:"version,omitempty"`
}

// ProxyProtocolVersion is a version of the PROXY protocol.
//
// +kubebuilder:validation:Enum=V1;V2
type ProxyProtocolVersion string

// The versions of the PROXY protocol.
const (
	ProxyProtocolV1 ProxyProtocolVersion = "V1"
	ProxyProtocolV2 ProxyProtocolVersion = "V2"
)

// CircuitBreakers limit what is sent to a target at once (Envoy:
// circuit_breakers.thresholds of the default priority). What is above a limit
// fails at once.
//
// +kubebuilder:validation:AtLeastOneOf=maxConnections;maxPendingRequests;maxRequests;maxRetries
type CircuitBreakers struct {
	// MaxConnections is the limit of connections (Envoy: max_connections).
	// Default: Envoy's, 1024.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxConnections *int32 `json:"maxConnections,omitempty"`

	// MaxPendingRequests is the limit of requests that wait for a connection
	// (Envoy: max_pending_requests). Default: Envoy's, 1024.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxPendingRequests *int32 `json:"maxPendingRequests,omitempty"`

	// MaxRequests is the limit of requests under way (Envoy: max_requests).
	// Default: Envoy's, 1024.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxRequests *int32 `json:"maxRequests,omitempty"`

	// MaxRetries is the limit of retries under way (Envoy: max_retries).
	// Default: 1024.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MaxRetries *int32 `json:"maxRetries,omitempty"`

	// TrackRemaining publishes how much is left of each limit as a gauge
	// (Envoy: track_remaining). Default: Envoy's, false.
	// +optional
	TrackRemaining *bool `json:"trackRemaining,omitempty"`
}
