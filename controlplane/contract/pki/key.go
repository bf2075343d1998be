package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
)

// KeyType is the kind and size of a private key.
type KeyType int

const (
	// ECDSAP256 is the default: fast to make and accepted everywhere.
	ECDSAP256 KeyType = iota
	// RSA2048 is what most servers that were set up by hand have.
	RSA2048
	// RSA1024 is too weak for any modern verifier; for broken set-ups.
	RSA1024
)

func (t KeyType) rsaBits() int {
	switch t {
	case RSA2048:
		return 2048
	case RSA1024:
		return 1024
	case ECDSAP256:
	}
	return 0
}

func (m *Maker) generateKey(t KeyType) (crypto.Signer, error) {
	if bits := t.rsaBits(); bits > 0 {
		return rsa.GenerateKey(m.rand, bits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), m.rand)
}

// SigningKey makes a key that belongs to no certificate, such as the one with
// which an API server signs service account tokens.
func (m *Maker) SigningKey() (Key, error) {
	signer, err := m.generateKey(ECDSAP256)
	if err != nil {
		return Key{}, fmt.Errorf("make signing key: %w", err)
	}
	return Key{signer: signer}, nil
}

const redacted = "[private key]"

// Key is a private key that prints as redacted, whatever prints it; only PEM
// reveals it.
type Key struct{ signer crypto.Signer }

// PEM is the key in PKCS #8 form.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PublicPEM is the public half of the key in PKIX form.
func (k Key) PublicPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Format implements fmt.Formatter: every verb prints the same.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText keeps the key out of JSON and YAML.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
