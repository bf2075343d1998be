package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// BackendConfigPolicy says how a proxy connects to the Services and Backends
// that it targets in its own namespace. Several policies on one target are
// merged field by field, the older first.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=kgateway
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels={app=kgateway,app.kubernetes.io/name=kgateway}
// +kubebuilder:metadata:labels={gateway.networking.k8s.io/policy=Direct}
// +kubebuilder:metadata:labels={app.kubernetes.io/managed-by=kubectl-tlsgw}
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Accepted')].status",description="Whether the policy is valid, for each Gateway that uses it"
// +kubebuilder:printcolumn:name="Attached",type=string,JSONPath=".status.ancestors[*].conditions[?(@.type=='Attached')].status",description="Whether the policy is in effect, for each Gateway that uses it"
type BackendConfigPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec names the targets and the settings.
	// +required
	Spec BackendConfigPolicySpec `json:"spec"`
	// Status is what each controller makes of it, for each Gateway.
	// +optional
	Status gatewayv1.PolicyStatus `json:"status,omitempty"`
}

// BackendConfigPolicyList is a list of BackendConfigPolicies.
//
// +kubebuilder:object:root=true
type BackendConfigPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BackendConfigPolicy `json:"items"`
}

// BackendConfigPolicySpec names targets and how to connect to them.
//
// +kubebuilder:validation:AtMostOneOf=http1ProtocolOptions;http2ProtocolOptions
type BackendConfigPolicySpec struct {
	// TargetRefs name the Services and Backends that the settings are for, in
	// the policy's namespace.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	TargetRefs []TargetRef `json:"targetRefs,omitempty"`

	// TargetSelectors choose Services and Backends by their labels, in the
	// policy's namespace.
	// +optional
	// +listType=atomic
	TargetSelectors []TargetSelector `json:"targetSelectors,omitempty"`

	// ConnectTimeout limits how long a new connection may take (Envoy: Cluster
	// connect_timeout). Default: 5s.
	// +optional
	ConnectTimeout *Duration `json:"connectTimeout,omitempty"`

	// PerConnectionBufferLimitBytes is a soft limit, in bytes, on what is
	// buffered for one connection; 0 is none (Envoy: Cluster
	// per_connection_buffer_limit_bytes). Default: 32768, which Envoy advises at
	// the edge, in place of its own 1 MiB.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	PerConnectionBufferLimitBytes *int32 `json:"perConnectionBufferLimitBytes,omitempty"`

	// DNS tunes how the proxy resolves the DNS names of a target.
	// +optional
	DNS *DNS `json:"dns,omitempty"`

	// TCPKeepalive makes the kernel probe idle connections.
	// +optional
	TCPKeepalive *TCPKeepalive `json:"tcpKeepalive,omitempty"`

	// UpstreamProxyProtocol sends a PROXY protocol header first on every
	// connection (Envoy: transport_socket wrapped in
	// ProxyProtocolUpstreamTransport).
	// +optional
	UpstreamProxyProtocol *UpstreamProxyProtocol `json:"upstreamProxyProtocol,omitempty"`

	// CommonHTTPProtocolOptions are for every version of HTTP (Envoy:
	// HttpProtocolOptions common_http_protocol_options). Where nothing chooses
	// a version, they choose HTTP/1.1.
	// +optional
	CommonHTTPProtocolOptions *CommonHTTPProtocolOptions `json:"commonHttpProtocolOptions,omitempty"`

	// HTTP1ProtocolOptions are for targets that speak HTTP/1.1 (Envoy:
	// HttpProtocolOptions explicit_http_config.http_protocol_options).
	// Excludes http2ProtocolOptions.
	// +optional
	HTTP1ProtocolOptions *HTTP1ProtocolOptions `json:"http1ProtocolOptions,omitempty"`

	// HTTP2ProtocolOptions are for targets that speak HTTP/2 (Envoy:
	// HttpProtocolOptions explicit_http_config.http2_protocol_options).
	// Excludes http1ProtocolOptions.
	// +optional
	HTTP2ProtocolOptions *HTTP2ProtocolOptions `json:"http2ProtocolOptions,omitempty"`

	// TLS originates TLS to the target. A BackendTLSPolicy on the same target
	// wins over it.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// LoadBalancer says how an endpoint is chosen for a request.
	// +optional
	LoadBalancer *LoadBalancer `json:"loadBalancer,omitempty"`

	// HealthCheck probes endpoints, and takes those out that fail (Envoy:
	// Cluster health_checks).
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`

	// OutlierDetection takes endpoints out whose answers are bad (Envoy:
	// Cluster outlier_detection).
	// +optional
	OutlierDetection *OutlierDetection `json:"outlierDetection,omitempty"`

	// CircuitBreakers limit what is sent to the target at once (Envoy: Cluster
	// circuit_breakers.thresholds).
	// +optional
	CircuitBreakers *CircuitBreakers `json:"circuitBreakers,omitempty"`
}

// TargetRef names an object in the policy's namespace.
//
// +kubebuilder:validation:XValidation:rule="(self.group == \"\" && self.kind == 'Service') || (self.group == 'gateway.kgateway.dev' && self.kind == 'Backend') || (self.group == 'networking.istio.io' && self.kind == 'Hostname')",message="a target is a Service (group \"\"), a Backend (group gateway.kgateway.dev) or a Hostname (group networking.istio.io)"
type TargetRef struct {
	// Group is the API group of the target: empty for a Service,
	// gateway.kgateway.dev for a Backend.
	// +required
	Group gatewayv1.Group `json:"group"`
	// Kind is Service or Backend. Hostname is admitted, as in kgateway, but
	// the controller does not serve it.
	// +required
	Kind gatewayv1.Kind `json:"kind"`
	// Name is the name of the target.
	// +required
	Name gatewayv1.ObjectName `json:"name"`
}

// TargetSelector chooses objects in the policy's namespace by their labels.
//
// +kubebuilder:validation:XValidation:rule="(self.group == \"\" && self.kind == 'Service') || (self.group == 'gateway.kgateway.dev' && self.kind == 'Backend') || (self.group == 'networking.istio.io' && self.kind == 'Hostname')",message="a target is a Service (group \"\"), a Backend (group gateway.kgateway.dev) or a Hostname (group networking.istio.io)"
type TargetSelector struct {
	// Group is the API group of the targets: empty for Services,
	// gateway.kgateway.dev for Backends.
	// +required
	Group gatewayv1.Group `json:"group"`
	// Kind is Service or Backend. Hostname is admitted, as in kgateway, but
	// the controller does not serve it.
	// +required
	Kind gatewayv1.Kind `json:"kind"`
	// MatchLabels are labels that a target must have, all of them.
	// +required
	MatchLabels map[string]string `json:"matchLabels"`
}

// The conditions of a BackendConfigPolicy for one ancestor, and their reasons.
const (
	// PolicyConditionAccepted is True with reason Valid, or False with reason
	// Pending, Invalid or TargetNotFound.
	PolicyConditionAccepted = "Accepted"
	// PolicyConditionAttached is True with reason Attached or Merged, or False
	// with reason Pending, Overridden or TargetNotFound.
	PolicyConditionAttached = "Attached"

	PolicyReasonValid          = "Valid"
	PolicyReasonPartiallyValid = "PartiallyValid"
	PolicyReasonPending        = "Pending"
	PolicyReasonInvalid        = "Invalid"
	PolicyReasonTargetNotFound = "TargetNotFound"
	PolicyReasonAttached       = "Attached"
	PolicyReasonMerged         = "Merged"
	PolicyReasonOverridden     = "Overridden"
)
