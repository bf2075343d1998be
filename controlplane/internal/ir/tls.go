package ir

// SANType is the type of a subject alternative name.
type SANType uint8

// The types of subject alternative names that policies can ask for.
const (
	SANDNS SANType = iota
	SANURI
)

// SAN is an accepted subject alternative name.
type SAN struct {
	Type  SANType
	Value string
}

// UpstreamTLS is how a cluster speaks TLS to its endpoints.
type UpstreamTLS struct {
	// SNI is the server name sent; empty with AutoSNI.
	SNI string
	// AutoSNI sends each endpoint's own DNS name, and verifies it unless SANs
	// are given or InsecureSkipVerify is set.
	AutoSNI bool
	// SANs: any one must match. Empty without AutoSNI checks the chain only.
	SANs []SAN

	// Exactly one of the next three is set.
	//
	// TrustBundle names a Secret of kind SecretTrustBundle.
	TrustBundle string
	// TrustFile is a path in the proxy.
	TrustFile string
	// InsecureSkipVerify verifies nothing: only where a policy says so loudly.
	InsecureSkipVerify bool

	// NoClientCertificate says that none is presented, not even the Gateway's.
	NoClientCertificate bool `json:",omitempty"`
	// ClientCertificate names a Secret of kind SecretKeyPair.
	ClientCertificate string
	// ClientCertFile and ClientKeyFile are paths in the proxy.
	ClientCertFile, ClientKeyFile string

	// MinVersion and MaxVersion are "1.0" to "1.3"; empty is Envoy's default.
	MinVersion, MaxVersion string
	// CipherSuites, Curves and SignatureAlgorithms are BoringSSL names.
	CipherSuites, Curves, SignatureAlgorithms []string
	ALPN                                      []string
	AllowRenegotiation                        bool
}
