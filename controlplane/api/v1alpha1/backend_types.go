package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Backend is a destination that no Service describes: addresses or DNS names
// and ports. Routes refer to it in backendRefs, policies in targetRefs.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=kgateway
// +kubebuilder:subresource:status
// +kubebuilder:metadata:labels={app=kgateway,app.kubernetes.io/name=kgateway}
// +kubebuilder:metadata:labels={app.kubernetes.io/managed-by=kubectl-tlsgw}
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".spec.type",description="Which kind of destination it is"
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=".status.conditions[?(@.type=='Accepted')].status",description="Whether the controller uses it"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type Backend struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the destination is.
	// +required
	Spec BackendSpec `json:"spec"`
	// Status is what the controller makes of it.
	// +optional
	Status BackendStatus `json:"status,omitempty"`
}

// BackendList is a list of Backends.
//
// +kubebuilder:object:root=true
type BackendList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Backend `json:"items"`
}

// BackendType is the value of a Backend's spec.type.
//
// +kubebuilder:validation:Enum=AWS;Static;DynamicForwardProxy;GCP;AI;MCP
type BackendType string

// The types of Backend that kgateway defines. Only Static is served; the
// schema refuses the others by name.
const (
	BackendTypeAWS                 BackendType = "AWS"
	BackendTypeStatic              BackendType = "Static"
	BackendTypeDynamicForwardProxy BackendType = "DynamicForwardProxy"
	BackendTypeGCP                 BackendType = "GCP"
	BackendTypeAI                  BackendType = "AI"
	BackendTypeMCP                 BackendType = "MCP"
)

// BackendSpec says where a destination is.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'Static'",messageExpression="'type ' + self.type + ' is not served by tlsgw, only Static is'",message="only type Static is served by tlsgw",fieldPath=".type"
// +kubebuilder:validation:XValidation:rule="has(self.static)",message="static is required: tlsgw serves Backends with static hosts only"
type BackendSpec struct {
	// Type is the kind of destination. It can be left out: the section that is
	// present decides. Only Static is served.
	// +optional
	Type BackendType `json:"type,omitempty"`

	// Static lists the addresses and ports of the destination.
	// +optional
	Static *StaticBackend `json:"static,omitempty"`

	UnservedBackends `json:",inline"`
}

// StaticBackend is a fixed list of endpoints. If all hosts are IP addresses
// the Envoy cluster is of type STATIC; if any is a DNS name, names are
// resolved by the proxy (cluster type envoy.clusters.dns).
type StaticBackend struct {
	// Hosts are the endpoints, between which requests are balanced. They share
	// one locality of the cluster's load_assignment.
	// +required
	// +kubebuilder:validation:MinItems=1
	Hosts []Host `json:"hosts"`

	// AppProtocol is what the hosts speak. http2, grpc, grpc-web and
	// kubernetes.io/h2c select HTTP/2; kubernetes.io/ws selects websocket over
	// HTTP/1.1. Without it they get HTTP/1.1.
	// +optional
	AppProtocol *AppProtocol `json:"appProtocol,omitempty"`
}

// Host is one endpoint of a static Backend.
type Host struct {
	// Host is an IP address or a DNS name (Envoy: socket_address.address).
	// Loopback, link-local and unspecified addresses and the name localhost
	// are refused by the controller: they would reach into the proxy itself.
	// +required
	// +kubebuilder:validation:MinLength=1
	Host string `json:"host"`

	// Port is a TCP port (Envoy: socket_address.port_value).
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// AppProtocol is an application protocol of a static Backend.
//
// +kubebuilder:validation:Enum=http2;grpc;grpc-web;kubernetes.io/h2c;kubernetes.io/ws
type AppProtocol string

// The application protocols of a static Backend.
const (
	AppProtocolHTTP2        AppProtocol = "http2"
	AppProtocolGRPC         AppProtocol = "grpc"
	AppProtocolGRPCWeb      AppProtocol = "grpc-web"
	AppProtocolKubernetesH2 AppProtocol = "kubernetes.io/h2c"
	AppProtocolKubernetesWS AppProtocol = "kubernetes.io/ws"
)

// BackendStatus is what the controller makes of a Backend.
type BackendStatus struct {
	// Conditions has Accepted: True with reason Accepted, or False with reason
	// Invalid and a message that says what to change.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// The condition of a Backend and its reasons.
const (
	BackendConditionAccepted = "Accepted"

	BackendReasonAccepted = "Accepted"
	BackendReasonInvalid  = "Invalid"
)
