package v1alpha1

import corev1 "k8s.io/api/core/v1"

// TLS is how a proxy speaks TLS to a target (Envoy: UpstreamTlsContext in the
// cluster's transport_socket). It names exactly one source of trust.
//
// +kubebuilder:validation:XValidation:rule="[has(self.secretRef), has(self.files), has(self.insecureSkipVerify), has(self.wellKnownCACertificates)].exists_one(set, set)",message="tls needs exactly one source of trust: secretRef, files, wellKnownCACertificates or insecureSkipVerify"
type TLS struct {
	// SecretRef names a Secret in the policy's namespace. Its key ca.crt is
	// what the target's certificate must chain to; tls.crt and tls.key, where
	// present, are the client certificate, unless simpleTLS is true (Envoy:
	// validation_context.trusted_ca, tls_certificates).
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`

	// Files names files that the proxy reads, in place of a Secret.
	// +optional
	Files *TLSFiles `json:"files,omitempty"`

	// WellKnownCACertificates trusts a bundle that the proxy has. System is
	// the bundle of its operating system.
	// +optional
	WellKnownCACertificates *WellKnownCACertificates `json:"wellKnownCACertificates,omitempty"`

	// InsecureSkipVerify: true speaks TLS and accepts any certificate, so that
	// anyone in between can read and change everything. False is refused: it
	// would choose no trust at all.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self",message="insecureSkipVerify: false chooses no trust; leave it out and set secretRef, files or wellKnownCACertificates"
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`

	// SNI is the server name that is sent (Envoy: sni). Unless
	// verifySubjectAltNames is set, the certificate must be for this name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	SNI *string `json:"sni,omitempty"`

	// VerifySubjectAltNames are DNS names, of which the certificate must have
	// at least one (Envoy: match_typed_subject_alt_names).
	// +optional
	// +listType=atomic
	VerifySubjectAltNames []string `json:"verifySubjectAltNames,omitempty"`

	// Parameters limit protocol versions and algorithms (Envoy: tls_params).
	// +optional
	Parameters *TLSParameters `json:"parameters,omitempty"`

	// ALPNProtocols are offered in this order, as "h2" or "http/1.1", without
	// commas (Envoy: alpn_protocols). Default: h2 where HTTP/2 is spoken, by the
	// target's appProtocol or for a GRPCRoute; else none is offered.
	// +optional
	// +listType=atomic
	ALPNProtocols []string `json:"alpnProtocols,omitempty"`

	// AllowRenegotiation permits the target to renegotiate a TLS 1.2 session
	// (Envoy: allow_renegotiation). Default: false.
	// +optional
	AllowRenegotiation *bool `json:"allowRenegotiation,omitempty"`

	// SimpleTLS sends no client certificate, even where the Secret, the files
	// or the Gateway (spec.tls.backend) have one. Default: false.
	// +optional
	SimpleTLS *bool `json:"simpleTLS,omitempty"`

	RenamedTLS `json:",inline"`
}

// WellKnownCACertificates names a bundle that the proxy has.
//
// +kubebuilder:validation:Enum=System
type WellKnownCACertificates string

// WellKnownCACertificatesSystem is the bundle of the proxy's system.
const WellKnownCACertificatesSystem WellKnownCACertificates = "System"

// TLSFiles are paths in the proxy's own file system.
//
// +kubebuilder:validation:AtLeastOneOf=tlsCertificate;tlsKey;rootCA
type TLSFiles struct {
	// TLSCertificate is the path of the client certificate chain in PEM. Needs
	// tlsKey.
	// +optional
	// +kubebuilder:validation:MinLength=1
	TLSCertificate *string `json:"tlsCertificate,omitempty"`

	// TLSKey is the path of the client certificate's private key in PEM. Needs
	// tlsCertificate.
	// +optional
	// +kubebuilder:validation:MinLength=1
	TLSKey *string `json:"tlsKey,omitempty"`

	// RootCA is the path of the CA certificates in PEM, to which the target's
	// certificate must chain.
	// +optional
	// +kubebuilder:validation:MinLength=1
	RootCA *string `json:"rootCA,omitempty"`
}

// TLSVersion is a version of TLS. AUTO is 1.2 for the least and 1.3 for the
// highest; Envoy's own highest would be 1.2, as it is the client.
//
// +kubebuilder:validation:Enum=AUTO;"1.0";"1.1";"1.2";"1.3"
type TLSVersion string

// The versions of TLS.
const (
	TLSVersionAuto TLSVersion = "AUTO"
	TLSVersion10   TLSVersion = "1.0"
	TLSVersion11   TLSVersion = "1.1"
	TLSVersion12   TLSVersion = "1.2"
	TLSVersion13   TLSVersion = "1.3"
)

// TLSParameters limit what a handshake may agree on. Names of algorithms are
// checked by the controller against what Envoy takes.
type TLSParameters struct {
	// MinVersion is the lowest version of TLS that is accepted (Envoy:
	// tls_minimum_protocol_version). Default: AUTO, and with a maxVersion below
	// 1.2 that one.
	// +optional
	MinVersion *TLSVersion `json:"minVersion,omitempty"`

	// MaxVersion is the highest version of TLS that is offered (Envoy:
	// tls_maximum_protocol_version). Below 1.2 it needs cipherSuites of such
	// versions, as ECDHE-RSA-AES128-SHA. Default: AUTO.
	// +optional
	MaxVersion *TLSVersion `json:"maxVersion,omitempty"`

	// CipherSuites are the cipher suites offered up to TLS 1.2, by their
	// BoringSSL or IANA names (Envoy: cipher_suites). Default: Envoy's, which are
	// of TLS 1.2 only.
	// +optional
	// +listType=atomic
	CipherSuites []string `json:"cipherSuites,omitempty"`

	// ECDHCurves are the groups offered for the key exchange, as X25519 or
	// P-256 (Envoy: ecdh_curves). Default: Envoy's.
	// +optional
	// +listType=atomic
	ECDHCurves []string `json:"ecdhCurves,omitempty"`

	// SignatureAlgorithms are the algorithms offered for signatures, as
	// ecdsa_secp256r1_sha256 (Envoy: signature_algorithms). Default: Envoy's.
	// +optional
	// +listType=atomic
	SignatureAlgorithms []string `json:"signatureAlgorithms,omitempty"`

	RenamedTLSParameters `json:",inline"`
}
