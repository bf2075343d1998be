package ir

import (
	"fmt"
	"strings"
	"time"
)

// Route is one match and what to do with it.
type Route struct {
	// Name says where it comes from: see RouteName. The name of a rule that has
	// one follows after a slash.
	Name  string
	Match Match
	// Exactly one of Redirect, Forward and Status is set; Status answers with
	// that HTTP status and nothing else.
	Redirect *Redirect
	Forward  *Forward
	Status   int `json:",omitempty"`
	// GRPC requests are answered 503 in place of 500, which their clients see as
	// UNAVAILABLE.
	GRPC bool `json:",omitempty"`
	// CORS answers for other origins; nil does not.
	CORS *CORS

	RequestHeaders  HeaderMods
	ResponseHeaders HeaderMods
}

// usual is the kind of routes whose names do not say it.
const usual = "HTTPRoute"

// RouteName names a match of a rule of an object: "NAMESPACE/NAME/rule/R/match/M",
// with "KIND:" before it where the kind is not HTTPRoute.
func RouteName(owner Ref, rule, match int) string {
	name := fmt.Sprintf("%s/rule/%d/match/%d", owner.Name, rule, match)
	if owner.Kind != usual {
		name = owner.Kind + ":" + name
	}
	return name
}

// RouteOwner gives the kind and the name of the object that RouteName was made
// of.
func RouteOwner(route string) (kind string, name Name, ok bool) {
	kind, rest, found := strings.Cut(route, ":")
	if !found {
		kind, rest = usual, route
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 3 {
		return "", Name{}, false
	}
	return kind, Name{Namespace: parts[0], Name: parts[1]}, true
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
	// Retry tries again; nil does not.
	Retry *Retry
	// Mirrors get copies, whose answers nobody sees.
	Mirrors []Mirror
}

// Mirror sends a copy of some requests to a cluster.
type Mirror struct {
	Cluster string
	// Numerator of Denominator requests are copied. The denominator is not zero,
	// and no less than the numerator.
	Numerator, Denominator uint32
}

// Retry says when an attempt is followed by another one.
type Retry struct {
	// Codes are the HTTP statuses of answers that are tried again. Connections
	// that cannot be made or break, and attempts that exceed PerTryTimeout,
	// always are.
	Codes []uint32
	// Attempts after the first.
	Attempts uint32
	// Backoff is the time between two attempts, on average: Envoy draws each
	// one at random. Nil is the proxy's default.
	Backoff *time.Duration
}

// CORS is what browsers are told of other origins (Fetch standard).
type CORS struct {
	// AllowOrigins: any one must match the request's Origin. They have no Name.
	AllowOrigins []ValueMatch
	// AllowMethods and AllowHeaders are "*" alone, or names.
	AllowMethods, AllowHeaders []string
	ExposeHeaders              []string
	AllowCredentials           bool
	// MaxAge is in seconds; zero leaves it to the browser.
	MaxAge int32
}

// WeightedCluster is a share of a Forward.
type WeightedCluster struct {
	// Cluster is a Cluster.Name of the Gateway, or contract.InvalidCluster.
	Cluster string
	Weight  uint32

	RequestHeaders  HeaderMods
	ResponseHeaders HeaderMods
}
