package diagnose

import (
	"crypto/x509"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// Evidence is what is known about one target. Whatever could not be gathered
// stays at its zero value.
type Evidence struct {
	// Now is when the evidence was gathered.
	Now time.Time
	// ContextNamespace is the namespace in which hints need no -n.
	ContextNamespace string
	// Connection are the flags without which hints would reach another
	// cluster, each after a space, as " --context NAME"; empty where none is
	// needed.
	Connection string
	Target     Target
	// Policy is nil when no policy originates TLS to the target.
	Policy *Policy
	Trust  Trust
	// Identity is what the policy wants the certificate to be for.
	Identity Identity
	// Through is the gateway, "NAMESPACE/NAME", to which the search for a route
	// was limited; empty if it was not.
	Through string
	// OtherRoute names a route, "KIND NAMESPACE/NAME", that leads to the target
	// and takes no plain request: a GRPCRoute or TLSRoute. Only looked for where
	// there is no Route.
	OtherRoute string
	// Route is the route through which the target was tried; nil if none
	// leads to it.
	Route *Route
	// Gateway is the one whose Envoy was asked; nil if none was found.
	Gateway *Gateway
	// Sent says whether requests were sent and Envoy was looked at.
	Sent     bool
	Live     Live
	Requests []Exchange
	// Expect are the statuses that were wanted, as "2xx,3xx".
	Expect string
	// Extra is how many requests were sent beyond Requests in order to make a
	// handshake happen.
	Extra  int
	Direct *Direct
	// AllowInsecure accepts a connection that is not verified.
	AllowInsecure bool
	// Notes are worth knowing beside the verdict.
	Notes []string
	// Unread is what the API server would not tell; nil if it told everything.
	Unread *Unread
}

// Unread is an object that could not be read.
type Unread struct {
	// Reason is a sentence that names the object.
	Reason string
	// Verb and Resource are the right that is missing, as "get" and
	// "gateways.GROUP", in Namespace, which is empty for all; they are empty where
	// it is not a right.
	Verb, Resource, Namespace string
}

// Target is the backend.
type Target struct {
	// Kind is Service or Backend.
	Kind, Namespace, Name string
	Port                  int32
	// Missing says what of it does not exist, as a sentence; empty if all is
	// there. Nearest is the name that may have been meant.
	Missing, Nearest string
	// PortFlag is the --port that originate needs to know which port of a
	// Service is meant; empty where it has only one.
	PortFlag string
}

// Policy is the policy and what controllers say about it.
type Policy struct {
	Kind, Namespace, Name string
	Generation            int64
	Statuses              []PolicyStatus
	// Targets is how many targets it has: a status that says Conflicted does
	// not say for which.
	Targets int
	// Winner is the policy that overrides this one, "KIND/NAME"; empty when
	// none does.
	Winner string
	// Foreign: originate did not make it, or its flags cannot say what it says:
	// originate would refuse to change it, or take away from it.
	Foreign bool
	// Flags are those with which originate writes this very policy, but for the
	// target and its port. A Foreign policy has none.
	Flags []Flag
	// MinTLS and MaxTLS are the versions that it names, as "1.2".
	MinTLS, MaxTLS string
}

// Flag is one of originate's. A switch has no value.
type Flag struct{ Name, Value string }

// PolicyStatus is one ancestor's entry.
type PolicyStatus struct {
	Controller string
	// Kind, Namespace and Name are of the ancestor, which most controllers let
	// be the Gateway.
	Kind, Namespace, Name string
	// Accepted is nil when the entry has no such condition.
	Accepted *Condition
	// Attached and ResolvedRefs likewise.
	Attached, ResolvedRefs *Condition
}

// Condition are the telling parts of a condition.
type Condition struct {
	True            bool
	Reason, Message string
	Generation      int64
}

// TrustProblem is what is wrong with one reference to CA certificates; its
// Code is CARefNotFound, CAKeyMissing, CAMalformed, CAExpired or
// CANotYetValid.
type TrustProblem struct {
	Code Code
	// Ref is "configmap/NAME" or "secret/NAME".
	Ref string
	// Detail is a clause: "line 4 has ...".
	Detail string
}

// Trust is what the backend's chain must end in.
type Trust struct {
	// Refs are all references, "configmap/NAME".
	Refs []string
	// Certificates that are usable, of all references.
	Certificates []*x509.Certificate
	// System: the system's bundle.
	System bool
	// SystemPool stands for the proxy's system bundle; nil if unknown.
	SystemPool *x509.CertPool
	Problems   []TrustProblem
	// Drift says that a copied bundle differs from where it came from; empty
	// if none does.
	Drift string
	// File is the bundle's path in the proxy; empty if it is elsewhere.
	File string
	// Unknown: it lies where only the proxy can read it.
	Unknown bool
	// None: the policy verifies nothing.
	None bool
}

// SANType is the kind of a subject alternative name.
type SANType string

// The kinds that policies can ask for.
const (
	DNS SANType = "DNS"
	URI SANType = "URI"
)

// SAN is an accepted name.
type SAN struct {
	Type  SANType
	Value string
}

// Identity is the name that is sent and the names that are accepted.
type Identity struct {
	SNI string
	// SANs: any one must match; empty checks the chain only.
	SANs []SAN
	// Field is where the policy says so, as "validation.hostname".
	Field string
	// Implied: the policy names only the SNI, and not every controller takes
	// that for a name to verify.
	Implied bool
}

// Route is a route that leads to the target.
type Route struct {
	Kind, Namespace, Name string
	// Accepted and ResolvedRefs are nil when no status says so.
	Accepted, ResolvedRefs *Condition
	// Shared: its rule sends a part of the requests to other backends.
	Shared bool
	// Stripped: a filter of its rule takes from answers what Envoy says of
	// them.
	Stripped bool
}

// Gateway is where the route is attached.
type Gateway struct {
	// Namespace and Name are empty where Set does not exist, which would name
	// the Gateway.
	Namespace, Name string
	// Set is the ListenerSet between the route and the Gateway; nil where there
	// is none.
	Set *ListenerSet
	// Controller has written the route's status: it runs the Gateway.
	Controller string
	// Listener is the one that the requests go to, where its status tells
	// whether it is programmed; else empty.
	Listener string
	// Programmed is the listener's, or else of the ListenerSet or the Gateway;
	// nil when no status says so.
	Programmed *Condition
	// Whole is Programmed of the ListenerSet or the Gateway, which may speak of
	// other listeners.
	Whole *Condition
	// Missing: the route names it, or the ListenerSet does, and it does not
	// exist.
	Missing bool
}

// ListenerSet adds listeners to a Gateway.
type ListenerSet struct {
	Namespace, Name string
	// Missing: the route names it, and it does not exist.
	Missing bool
}

// Live is what Envoy runs and counts.
type Live struct {
	// Unavailable says why Envoy's admin interface could not be read.
	Unavailable string
	// StatName is the name under which Envoy counts.
	StatName string
	// Proxies that were read.
	Proxies []Proxy
	// Before and After are the sums over all proxies.
	Before, After probe.Stats
	// Lost: a proxy went away meanwhile, with what it had counted.
	Lost bool
}

// Proxy is one Envoy.
type Proxy struct {
	Name string
	// Cluster is nil when this Envoy does not have it.
	Cluster *probe.Cluster
	// Secret is the trust secret that Cluster names; nil if it names none.
	Secret    *probe.Secret
	Endpoints []probe.Endpoint
}

// Risen are the counters that rose.
func (l Live) Risen() probe.Stats { return l.After.Since(l.Before) }

// Cluster is the live cluster to judge by: the first that is not as it should
// be counts for all.
func (l Live) cluster() *probe.Cluster {
	var chosen *probe.Cluster
	for _, p := range l.Proxies {
		switch {
		case p.Cluster == nil:
		case p.Cluster.TLS == nil:
			return p.Cluster
		case chosen == nil || !p.Cluster.TLS.Verifies():
			chosen = p.Cluster
		}
	}
	return chosen
}

// Exchange is one request and its answer.
type Exchange struct {
	probe.Response
	URL, Host string
	// Expected says whether the status is one that was wanted.
	Expected bool
}

// Direct is a handshake with the backend without Envoy between.
type Direct struct {
	// DialFailure and DialError: no connection came about.
	DialFailure probe.Failure
	DialError   string
	// Failure of a handshake that offered what Envoy offers; nil if it went
	// well.
	Failure *probe.HandshakeError
	// Presented in that handshake, or else in one that offered everything.
	Presented *probe.Presented
	// Wide: Presented is of the one that offered everything.
	Wide bool
}
