package v1alpha1

// HealthCheck probes each endpoint (Envoy: health_checks).
//
// +kubebuilder:validation:ExactlyOneOf=http;grpc;tcp
type HealthCheck struct {
	// Timeout is how long a probe waits for its answer (Envoy: timeout). Above
	// 0s and at most 10s: a proxy that starts waits for the first answers.
	// +required
	Timeout Duration `json:"timeout"`

	// Interval is the time between probes of one endpoint (Envoy: interval). At
	// least 100ms.
	// +required
	Interval Duration `json:"interval"`

	// UnhealthyThreshold is how many failures in a row take an endpoint out
	// (Envoy: unhealthy_threshold).
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UnhealthyThreshold int32 `json:"unhealthyThreshold"`

	// HealthyThreshold is how many successes in a row bring an endpoint back
	// (Envoy: healthy_threshold).
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	HealthyThreshold int32 `json:"healthyThreshold"`

	// HTTP probes with an HTTP request; 200 is success.
	// +optional
	HTTP *HTTPHealthCheck `json:"http,omitempty"`

	// GRPC probes with grpc.health.v1.Health/Check.
	// +optional
	GRPC *GRPCHealthCheck `json:"grpc,omitempty"`

	// TCP probes with a connection, and bytes where any are given. Where a
	// TLSRoute passes TLS through to the target, no bytes are sent: they would
	// be plaintext.
	// +optional
	TCP *TCPHealthCheck `json:"tcp,omitempty"`
}

// HTTPHealthCheck is a probe by HTTP (Envoy: http_health_check).
type HTTPHealthCheck struct {
	// Host is the Host header (Envoy: host). Default: the SNI of the target's
	// TLS; else NAME.NAMESPACE.svc for a Service, each host's own for a Backend.
	// +optional
	Host *string `json:"host,omitempty"`

	// Path is the path of the request (Envoy: path).
	// +required
	Path string `json:"path"`

	// Method is the method of the request (Envoy: method). Default: GET.
	// +optional
	// +kubebuilder:validation:Enum=GET;HEAD;POST;PUT;DELETE;OPTIONS;TRACE;PATCH
	Method *string `json:"method,omitempty"`
}

// GRPCHealthCheck is a probe by gRPC (Envoy: grpc_health_check).
type GRPCHealthCheck struct {
	// ServiceName is the service that is asked for (Envoy: service_name).
	// Default: the server as a whole.
	// +optional
	ServiceName *string `json:"serviceName,omitempty"`

	// Authority is the :authority header (Envoy: authority). Default: as for
	// http.host.
	// +optional
	Authority *string `json:"authority,omitempty"`
}

// HexBytes are bytes, two hexadecimal digits each.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:Pattern=`^([0-9a-fA-F]{2})+$`
type HexBytes string

// TCPHealthCheck is a probe by TCP (Envoy: tcp_health_check).
//
// +kubebuilder:validation:XValidation:rule="!has(self.receive) || has(self.send)",message="receive needs send"
type TCPHealthCheck struct {
	// Send is what is written, in hexadecimal (Envoy: send.text). Without it
	// a connection is success.
	// +optional
	Send *HexBytes `json:"send,omitempty"`

	// Receive is what must come back, in this order, in hexadecimal (Envoy:
	// receive.text). Needs send.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Receive []HexBytes `json:"receive,omitempty"`
}

// OutlierDetection takes endpoints out for a while whose answers are bad
// (Envoy: outlier_detection).
type OutlierDetection struct {
	// Consecutive5xx is how many server errors in a row take an endpoint out;
	// 0 turns this off (Envoy: consecutive_5xx).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	// +kubebuilder:default=5
	Consecutive5xx *int32 `json:"consecutive5xx,omitempty"`

	// Interval is the time between sweeps, which bring endpoints back (Envoy:
	// interval). At least 100ms: the schema takes 1ms, as kgateway's, and the
	// controller does not serve it.
	// +optional
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="interval must be at least 1ms"
	Interval *Duration `json:"interval,omitempty"`

	// BaseEjectionTime is how long an endpoint stays out, times the number of
	// times that it was (Envoy: base_ejection_time). At least 1ms.
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="baseEjectionTime must be at least 1ms"
	BaseEjectionTime *Duration `json:"baseEjectionTime,omitempty"`

	// MaxEjectionPercent is how many of the endpoints may be out at once, in
	// percent (Envoy: max_ejection_percent).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:default=10
	MaxEjectionPercent *int32 `json:"maxEjectionPercent,omitempty"`

	// EnforcingConsecutive5xx is the chance, in percent, that consecutive5xx
	// does take an endpoint out (Envoy: enforcing_consecutive_5xx). Default:
	// Envoy's, 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	EnforcingConsecutive5xx *int32 `json:"enforcingConsecutive5xx,omitempty"`

	// SplitExternalLocalOriginErrors counts failures of the proxy's own, as to
	// connect, apart from answers of the endpoint (Envoy:
	// split_external_local_origin_errors). Default: Envoy's, false.
	// +optional
	SplitExternalLocalOriginErrors *bool `json:"splitExternalLocalOriginErrors,omitempty"`

	// ConsecutiveLocalOriginFailure is how many failures of the proxy's own in
	// a row take an endpoint out, where they are counted apart (Envoy:
	// consecutive_local_origin_failure). Default: Envoy's, 5.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	ConsecutiveLocalOriginFailure *int32 `json:"consecutiveLocalOriginFailure,omitempty"`

	// EnforcingConsecutiveLocalOriginFailure is the chance, in percent, that
	// consecutiveLocalOriginFailure does take an endpoint out (Envoy:
	// enforcing_consecutive_local_origin_failure). Default: Envoy's, 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	EnforcingConsecutiveLocalOriginFailure *int32 `json:"enforcingConsecutiveLocalOriginFailure,omitempty"`
}
