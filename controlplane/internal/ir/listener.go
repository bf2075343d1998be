package ir

// Listener is one port of a Gateway.
type Listener struct {
	// Name is unique within the Gateway: "http-8080", "https-8443".
	Name string
	Port uint16
	// Chains has one plain chain for HTTP, and one for each server name for
	// HTTPS and TLS. A plain chain never shares a listener with others.
	Chains []FilterChain
}

// FilterChain is what a connection meets after SNI has chosen it.
type FilterChain struct {
	Name string
	// ServerNames are the SNI names, exact or "*.suffix"; empty matches all.
	ServerNames []string
	// TLS terminates TLS; nil means plain HTTP, or with Forward that TLS is
	// passed through.
	TLS *DownstreamTLS
	// Exactly one of Routes and Forward counts: with Forward the connection's
	// bytes go to clusters as they are, else requests are routed by Routes,
	// which is served under its own name by RDS.
	Routes  RouteConfig
	Forward *Connect
}

// Connect sends connections to clusters by weight.
type Connect struct {
	// Name says where it comes from: "NAMESPACE/NAME".
	Name string
	// Clusters has at least one entry; contract.InvalidCluster and those of
	// weight zero get nothing. Connections of an invalid share are closed.
	Clusters []WeightedCluster
}

// DownstreamTLS is a listener's certificate.
type DownstreamTLS struct {
	// Certificates name Secrets of kind SecretKeyPair.
	Certificates []string
	ALPN         []string
	// Clients asks for a client's certificate; nil does not.
	Clients *ClientValidation
}

// ClientValidation is what the certificates of clients are verified by.
type ClientValidation struct {
	// TrustBundle names a Secret of kind SecretTrustBundle.
	TrustBundle string
	// InsecureFallback lets clients in that have no certificate, or one that is
	// not valid: only where a Gateway says so loudly.
	InsecureFallback bool
}

// RouteConfig is one RDS resource.
type RouteConfig struct {
	Name         string
	VirtualHosts []VirtualHost
}

// VirtualHost holds the routes of one domain in the order in which they are
// tried.
type VirtualHost struct {
	Name string
	// Domain is an exact name, "*.suffix" or "*". Ports are ignored.
	Domain string
	Routes []*Route
}
