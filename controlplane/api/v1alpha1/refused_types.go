package v1alpha1

// UnservedBackends are the variants of kgateway's Backend that tlsgw does not
// serve. They are in the schema so that the answer is a sentence, and not that
// the field is unknown.
type UnservedBackends struct {
	// AWS is a variant of kgateway that tlsgw does not serve.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsgw does not serve aws Backends: use static"
	AWS *Unserved `json:"aws,omitempty"`
	// DynamicForwardProxy is a variant of kgateway that tlsgw does not serve.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsgw does not serve dynamicForwardProxy Backends: use static"
	DynamicForwardProxy *Unserved `json:"dynamicForwardProxy,omitempty"`
	// GCP is a variant of kgateway that tlsgw does not serve.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsgw does not serve gcp Backends: use static"
	GCP *Unserved `json:"gcp,omitempty"`
	// AI is a variant of kgateway that tlsgw does not serve.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsgw does not serve ai Backends: use static"
	AI *Unserved `json:"ai,omitempty"`
	// MCP is a variant of kgateway that tlsgw does not serve.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsgw does not serve mcp Backends: use static"
	MCP *Unserved `json:"mcp,omitempty"`
}

// Unserved takes any object, so that its presence can be refused by name.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Unserved struct{}

// RenamedTLS are fields of tls under their former names.
type RenamedTLS struct {
	// OldFiles is the former name of files.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsFiles was renamed: use files"
	OldFiles *Unserved `json:"tlsFiles,omitempty"`
	// OldSimpleTLS is the former name of simpleTLS.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="oneWayTLS was renamed: use simpleTLS"
	OldSimpleTLS *bool `json:"oneWayTLS,omitempty"`
	// OldVerifySubjectAltNames is the former name of verifySubjectAltNames.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="verifySubjectAltName was renamed: use verifySubjectAltNames"
	OldVerifySubjectAltNames []string `json:"verifySubjectAltName,omitempty"`
}

// RenamedTLSParameters are fields of tls.parameters under their former names.
type RenamedTLSParameters struct {
	// OldMinVersion is the former name of minVersion.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsMinVersion was renamed: use minVersion"
	OldMinVersion *string `json:"tlsMinVersion,omitempty"`
	// OldMaxVersion is the former name of maxVersion.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="tlsMaxVersion was renamed: use maxVersion"
	OldMaxVersion *string `json:"tlsMaxVersion,omitempty"`
}

// RenamedHTTP1Options are fields of http1ProtocolOptions under their former
// names.
type RenamedHTTP1Options struct {
	// OldHeaderFormat is the former way to choose the case of header names.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="headerFormat was renamed: use preserveHttp1HeaderCase: true (proper case is no longer offered)"
	OldHeaderFormat *string `json:"headerFormat,omitempty"`
}

// MovedLoadBalancerOptions are fields of loadBalancer that have moved.
type MovedLoadBalancerOptions struct {
	// OldUseHostnameForHashing is the former place of the field of that name.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="useHostnameForHashing has moved: use ringHash.useHostnameForHashing or maglev.useHostnameForHashing"
	OldUseHostnameForHashing *bool `json:"useHostnameForHashing,omitempty"`
}
