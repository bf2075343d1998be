package ir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

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
	// TLS is nil only where no policy targets the backend, or with Passthrough.
	TLS *UpstreamTLS
	// Passthrough clusters get the TLS of clients as it comes, from chains that
	// do not terminate it, and nothing else.
	Passthrough bool `json:",omitempty"`
	// Connection is nil where no policy says anything else.
	Connection *Connection `json:",omitempty"`
}

// Plaintext tells whether the proxy sends what is not encrypted.
func (c *Cluster) Plaintext() bool { return c.TLS == nil && !c.Passthrough }

// Protocols tells what the cluster speaks. Both: the handshake decides.
func (c *Cluster) Protocols() (http1, http2 bool) {
	http2 = c.HTTP2
	if c.TLS != nil {
		h2, h1 := slices.Contains(c.TLS.ALPN, "h2"), slices.Contains(c.TLS.ALPN, "http/1.1")
		if h2 && h1 {
			return true, true
		}
		http2 = http2 || h2
	}
	return !http2, http2
}

// Endpoint is an address of a backend.
type Endpoint struct {
	// Host is an IP address, or a DNS name with DiscoverDNS.
	Host string
	Port uint16
	// Draining endpoints are terminating but still serve.
	Draining bool
	// Zone is empty where it is not known.
	Zone string `json:",omitempty"`
}

// NameSeparator stands between a cluster's StatName and the hash of its
// settings. It occurs in no Kubernetes name.
const NameSeparator = "~"

// SetName derives Name from StatName and everything that Envoy cannot change
// in place: all but Origin, and all but the endpoints of an EDS cluster.
func (c *Cluster) SetName() {
	settings := *c
	settings.Name, settings.Origin = "", nil
	if c.Discovery == DiscoverEDS {
		settings.Endpoints = nil
	}
	encoded, err := json.Marshal(settings)
	if err != nil {
		panic("ir.Cluster has a field that JSON cannot hold: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	c.Name = c.StatName + NameSeparator + hex.EncodeToString(sum[:5])
}
