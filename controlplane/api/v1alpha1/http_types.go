package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// CommonHTTPProtocolOptions are for every version of HTTP (Envoy:
// HttpProtocolOptions common_http_protocol_options).
type CommonHTTPProtocolOptions struct {
	// IdleTimeout closes a connection that has had no request for so long;
	// 0s never closes it (Envoy: idle_timeout). Default: Envoy's, 1h.
	// +optional
	IdleTimeout *Duration `json:"idleTimeout,omitempty"`

	// MaxConnectionDuration is the age at which a connection takes no more
	// requests, and ends with those that it has; 0s is no limit (Envoy:
	// max_connection_duration). Default: no limit.
	// +optional
	MaxConnectionDuration *Duration `json:"maxConnectionDuration,omitempty"`

	// MaxHeadersCount is how many headers a response may have, 1 or more (Envoy:
	// max_headers_count). Default: Envoy's, 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MaxHeadersCount *int32 `json:"maxHeadersCount,omitempty"`

	// MaxStreamDuration limits the life of one request and its response
	// (Envoy: max_stream_duration). Default: no limit.
	// +optional
	MaxStreamDuration *Duration `json:"maxStreamDuration,omitempty"`

	// MaxRequestsPerConnection is how many requests a connection carries
	// before it is replaced; 0 is no limit (Envoy:
	// max_requests_per_connection). Default: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MaxRequestsPerConnection *int32 `json:"maxRequestsPerConnection,omitempty"`
}

// HTTP1ProtocolOptions are for targets that speak HTTP/1.1 (Envoy:
// explicit_http_config.http_protocol_options).
type HTTP1ProtocolOptions struct {
	// EnableTrailers passes trailers on, which are dropped otherwise (Envoy:
	// enable_trailers).
	// +optional
	EnableTrailers *bool `json:"enableTrailers,omitempty"`

	// PreserveHTTP1HeaderCase sends header names in the case in which they
	// came, rather than in lower case (Envoy: header_key_format, with the
	// preserve_case formatter). Request headers then keep it for all HTTP/1.1
	// targets of the Gateway.
	// +optional
	PreserveHTTP1HeaderCase *bool `json:"preserveHttp1HeaderCase,omitempty"`

	// OverrideStreamErrorOnInvalidHTTPMessage answers an invalid message with
	// an error on that request only, and keeps the connection (Envoy:
	// override_stream_error_on_invalid_http_message).
	// +optional
	OverrideStreamErrorOnInvalidHTTPMessage *bool `json:"overrideStreamErrorOnInvalidHttpMessage,omitempty"`

	RenamedHTTP1Options `json:",inline"`
}

// HTTP2ProtocolOptions are for targets that speak HTTP/2 (Envoy:
// explicit_http_config.http2_protocol_options).
type HTTP2ProtocolOptions struct {
	// InitialStreamWindowSize is the flow-control window of a stream in bytes,
	// a number or a quantity as 1Mi, from 65535 to 2147483647 (Envoy:
	// initial_stream_window_size). Default: Envoy's, 16 MiB.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('65535')) >= 0 && quantity(string(self)).compareTo(quantity('2147483647')) <= 0",message="initialStreamWindowSize must be from 65535 to 2147483647 bytes"
	InitialStreamWindowSize *resource.Quantity `json:"initialStreamWindowSize,omitempty"`

	// InitialConnectionWindowSize is the flow-control window of a connection
	// in bytes, a number or a quantity as 1Mi, from 65535 to 2147483647
	// (Envoy: initial_connection_window_size). Default: Envoy's, 24 MiB.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('65535')) >= 0 && quantity(string(self)).compareTo(quantity('2147483647')) <= 0",message="initialConnectionWindowSize must be from 65535 to 2147483647 bytes"
	InitialConnectionWindowSize *resource.Quantity `json:"initialConnectionWindowSize,omitempty"`

	// MaxConcurrentStreams is how many requests share a connection at once
	// (Envoy: max_concurrent_streams). Default: Envoy's, 1024.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxConcurrentStreams *int32 `json:"maxConcurrentStreams,omitempty"`

	// OverrideStreamErrorOnInvalidHTTPMessage answers an invalid message with
	// an error on that stream only, and keeps the connection (Envoy:
	// override_stream_error_on_invalid_http_message).
	// +optional
	OverrideStreamErrorOnInvalidHTTPMessage *bool `json:"overrideStreamErrorOnInvalidHttpMessage,omitempty"`

	// ConnectionKeepalive sends PING frames, to find dead connections.
	// +optional
	ConnectionKeepalive *ConnectionKeepalive `json:"connectionKeepalive,omitempty"`
}

// ConnectionKeepalive sends HTTP/2 PING frames (Envoy: connection_keepalive).
type ConnectionKeepalive struct {
	// Timeout is how long a PING may stay unanswered before the connection is
	// closed (Envoy: timeout). At least 1ms.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="timeout must be at least 1ms"
	Timeout Duration `json:"timeout"`

	// Interval is the time between PINGs (Envoy: interval). At least 100ms: the
	// schema takes 1ms, as kgateway's, and the controller does not serve it.
	// Default: no regular PINGs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="interval must be at least 1ms"
	Interval *Duration `json:"interval,omitempty"`

	// ConnectionIdleInterval sends a PING before a connection is used again
	// that has been idle for so long (Envoy: connection_idle_interval). At
	// least 1ms.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="connectionIdleInterval must be at least 1ms"
	ConnectionIdleInterval *Duration `json:"connectionIdleInterval,omitempty"`
}
