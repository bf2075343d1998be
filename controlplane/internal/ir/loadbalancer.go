package ir

import "time"

// LoadBalancer says how an endpoint is chosen.
type LoadBalancer struct {
	Method BalanceMethod
	// ChoiceCount is of LeastRequest, at least 2.
	ChoiceCount uint32 `json:",omitempty"`
	// SlowStart is of LeastRequest and RoundRobin.
	SlowStart *SlowStart `json:",omitempty"`
	// RingMinimum and RingMaximum are of RingHash.
	RingMinimum, RingMaximum *uint64 `json:",omitempty"`
	// HashHostnames hashes the names of endpoints: with DiscoverDNS only.
	HashHostnames bool `json:",omitempty"`
	// Hash is what of a request RingHash and Maglev look at.
	Hash []HashPolicy `json:",omitempty"`

	// PanicThreshold is in percent.
	PanicThreshold *uint32        `json:",omitempty"`
	MergeWindow    *time.Duration `json:",omitempty"`
	CloseOnChange  bool           `json:",omitempty"`
	// LocalityWeights spreads over zones by the number of their endpoints.
	LocalityWeights bool       `json:",omitempty"`
	ZoneAware       *ZoneAware `json:",omitempty"`
}

// BalanceMethod is a way to choose an endpoint.
type BalanceMethod uint8

// The ways to choose an endpoint.
const (
	LeastRequest BalanceMethod = iota
	RoundRobin
	RingHash
	Maglev
	Random
)

// SlowStart sends less to new endpoints.
type SlowStart struct {
	Window *time.Duration `json:",omitempty"`
	// Aggression is above zero.
	Aggression       *float64 `json:",omitempty"`
	MinWeightPercent *uint32  `json:",omitempty"`
}

// ZoneAware prefers endpoints in the proxy's zone.
type ZoneAware struct {
	MinEndpoints *uint64 `json:",omitempty"`
	// Percent of requests that it is for.
	Percent *uint32 `json:",omitempty"`
	// Force keeps requests in a zone with at least so many endpoints; nil
	// does not.
	Force *uint32 `json:",omitempty"`
}

// HashPolicy is one thing of a request that is hashed: exactly one of Header,
// Cookie and SourceIP.
type HashPolicy struct {
	Header   string      `json:",omitempty"`
	Cookie   *HashCookie `json:",omitempty"`
	SourceIP bool        `json:",omitempty"`
	// Terminal ends the list where this one found something.
	Terminal bool `json:",omitempty"`
}

// HashCookie is a cookie, which is made where it is missing and TTL is set.
type HashCookie struct {
	Name string
	Path string `json:",omitempty"`
	// TTL; zero lasts as long as the browser's session.
	TTL              *time.Duration `json:",omitempty"`
	Secure, HTTPOnly bool           `json:",omitempty"`
	// SameSite is Strict, Lax, None or empty.
	SameSite string `json:",omitempty"`
}
