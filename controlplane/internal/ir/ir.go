// Package ir is the intermediate representation between Kubernetes objects
// and Envoy resources: plain values that import neither. translate makes it,
// envoy and status read it, nobody changes it afterwards.
//
// Everything in it is sorted, so that equal input gives equal bytes. Values
// that are shared by several gateways (clusters, secrets) are pointers to the
// same immutable value.
package ir

import (
	"cmp"
	"encoding/json"
	"time"
)

// Result is the whole outcome of one translation.
type Result struct {
	// Gateways, by name. A Gateway that is not ours is not in it.
	Gateways []*Gateway
	// Deployments, by the name of the Gateway: one for each, or none at all
	// where the controller does not deploy the proxies.
	Deployments []*Deployment
	// Statuses say what each object's status must be, by kind and name.
	Statuses []ObjectStatus
	// PlaintextBackends are the namespaces whose backends some route reaches
	// without TLS, sorted: what the barrier of the controller asks about.
	PlaintextBackends []PlaintextEdge
	// TrustBundles are those of all policies, used by a Gateway or not, by
	// name: when a certificate in one of them expires, statuses change.
	TrustBundles []*Secret `json:"-"`
}

// PlaintextEdge is one backend port that routes reach without TLS.
type PlaintextEdge struct {
	Namespace string
	// Cluster is the StatName of the backend's cluster.
	Cluster string
}

// Name is a namespaced name; Namespace is empty for cluster-scoped objects.
type Name struct{ Namespace, Name string }

// String gives namespace/name, or the name alone where there is no namespace.
func (n Name) String() string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "/" + n.Name
}

// Compare orders by namespace, then name.
func (n Name) Compare(o Name) int {
	return cmp.Or(cmp.Compare(n.Namespace, o.Namespace), cmp.Compare(n.Name, o.Name))
}

// Ref points to an object.
type Ref struct {
	Group, Kind string
	Name
}

// Gateway is what one Gateway's proxies run.
type Gateway struct {
	Name       Name
	Generation int64
	// Listeners, by port.
	Listeners []Listener
	// Clusters, by name: only those that a route of this Gateway uses.
	Clusters []*Cluster
	// Secrets, by name: certificates of listeners, trust bundles and client
	// certificates that Listeners and Clusters name.
	Secrets []*Secret
}

// Listener is one port of a Gateway.
type Listener struct {
	// Name is unique within the Gateway: "http-8080", "https-8443".
	Name string
	Port uint16
	// Chains has one plain chain for HTTP, and one for each server name for
	// HTTPS. A plain chain and TLS chains never share a listener.
	Chains []FilterChain
}

// FilterChain is what a connection meets after SNI has chosen it.
type FilterChain struct {
	Name string
	// ServerNames are the SNI names, exact or "*.suffix"; empty matches all.
	ServerNames []string
	// TLS terminates TLS; nil means plain HTTP.
	TLS *DownstreamTLS
	// Routes is served under its own name by RDS.
	Routes RouteConfig
}

// DownstreamTLS is a listener's certificate.
type DownstreamTLS struct {
	// Certificates name Secrets of kind SecretKeyPair.
	Certificates []string
	ALPN         []string
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

// Route is one match and what to do with it.
type Route struct {
	// Name says where it comes from: "NAMESPACE/NAME/rule/R/match/M".
	Name  string
	Match Match
	// Exactly one of Redirect and Forward is set.
	Redirect *Redirect
	Forward  *Forward

	RequestHeaders  HeaderMods
	ResponseHeaders HeaderMods
}

// MatchType tells how a value is compared.
type MatchType uint8

// The ways to compare. Regex is RE2 and matches the whole value.
const (
	Exact MatchType = iota
	Prefix
	Regex
)

// Match is what a request must have. All parts must hold.
type Match struct {
	// PathType Prefix matches whole path elements: /a matches /a and /a/b but
	// not /ab.
	PathType MatchType
	Path     string
	Method   string
	Headers  []ValueMatch
	Query    []ValueMatch
}

// ValueMatch compares a header or query parameter; Type is Exact or Regex.
type ValueMatch struct {
	Name  string
	Type  MatchType
	Value string
}

// HeaderMods changes headers: Set replaces, Add appends, Remove deletes.
type HeaderMods struct {
	Set, Add []Header
	Remove   []string
}

// Header is a header field.
type Header struct{ Name, Value string }

// Redirect answers without a backend. Empty and zero fields keep what the
// request has.
type Redirect struct {
	Scheme, Hostname string
	Port             uint16
	Path             *PathRewrite
	// StatusCode is 301, 302, 303, 307 or 308.
	StatusCode int
}

// PathRewrite replaces the whole path, or the prefix that Match.Path matched.
type PathRewrite struct {
	Full   string
	Prefix string
	// IsPrefix chooses Prefix, which may be empty.
	IsPrefix bool
}

// Forward sends the request to clusters by weight.
type Forward struct {
	// Clusters has at least one entry; an entry of weight zero gets nothing.
	// If all weights are zero the answer is 500.
	Clusters []WeightedCluster
	// HostRewrite replaces the Host header; empty keeps it.
	HostRewrite string
	Path        *PathRewrite
	// Timeout of the whole request; nil: none set, zero: none at all.
	Timeout *time.Duration
	// PerTryTimeout is the limit of one attempt at the backend.
	PerTryTimeout *time.Duration
}

// WeightedCluster is a share of a Forward.
type WeightedCluster struct {
	// Cluster is a Cluster.Name of the Gateway, or contract.InvalidCluster.
	Cluster string
	Weight  uint32

	RequestHeaders  HeaderMods
	ResponseHeaders HeaderMods
}

// Discovery tells how a cluster learns its endpoints.
type Discovery uint8

// The ways to learn endpoints. With EDS, Endpoints is a resource of its own
// under the cluster's name; otherwise it is part of the cluster.
const (
	DiscoverEDS Discovery = iota
	DiscoverStatic
	DiscoverDNS
)

// Cluster is one (backend, port, effective TLS settings). It is immutable: a
// change of anything but EDS endpoints and secret contents gives another Name,
// so that Envoy warms the new cluster before any route moves to it.
type Cluster struct {
	// Name is StatName, "~" and a hash of the settings; SetName makes it.
	Name string
	// StatName is the name in statistics; it outlives a change of settings.
	StatName string
	// Origin are the backend and the policies that shaped the cluster: whose
	// status a rejection by Envoy reaches.
	Origin []Ref

	Discovery Discovery
	// Endpoints, sorted.
	Endpoints []Endpoint
	// HTTP2 speaks HTTP/2 by prior knowledge, or by ALPN under TLS.
	HTTP2 bool
	// ConnectTimeout; zero means 5 s.
	ConnectTimeout time.Duration
	// TLS is nil only where no policy targets the backend.
	TLS *UpstreamTLS
}

// Endpoint is an address of a backend.
type Endpoint struct {
	// Host is an IP address, or a DNS name with DiscoverDNS.
	Host string
	Port uint16
	// Draining endpoints are terminating but still serve.
	Draining bool
}

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

// SecretKind tells what a Secret holds.
type SecretKind uint8

// The kinds of secrets served by SDS.
const (
	SecretTrustBundle SecretKind = iota
	SecretKeyPair
)

// Secret is an SDS resource. Its name does not depend on its content, so that
// a rotation moves this one resource.
type Secret struct {
	Name string
	Kind SecretKind
	// Certificates is the re-encoded PEM of the bundle or of the chain.
	Certificates []byte
	// Key is the PEM of the private key of a SecretKeyPair.
	Key PrivateBytes
}

// PrivateBytes prints as redacted wherever it is formatted or marshalled.
type PrivateBytes []byte

const redacted = "[redacted]"

// String hides the content.
func (PrivateBytes) String() string { return redacted }

// GoString hides the content.
func (PrivateBytes) GoString() string { return redacted }

// MarshalJSON hides the content.
func (PrivateBytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText hides the content.
func (PrivateBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
