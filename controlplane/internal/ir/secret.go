package ir

import "encoding/json"

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
