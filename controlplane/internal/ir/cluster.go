package ir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

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
