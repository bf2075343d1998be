package translate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// minRSABits is the smallest RSA key that Envoy loads.
const minRSABits = 2048

// parsedKeyPair is a key pair or why there is none.
type parsedKeyPair struct {
	secret *ir.Secret
	err    error
}

// keyPair reads tls.crt and tls.key of a Secret, once. They are checked as
// Envoy will check them: a pair that it refuses would hold up every update of
// the listener or cluster that uses it.
func (t *translation) keyPair(secret *corev1.Secret) (*ir.Secret, error) {
	name := nameOf(secret)
	if known, ok := t.keyPairs[name]; ok {
		return known.secret, known.err
	}
	var parsed parsedKeyPair
	parsed.secret, parsed.err = parseKeyPair(secret)
	t.keyPairs[name] = parsed
	return parsed.secret, parsed.err
}

func parseKeyPair(secret *corev1.Secret) (*ir.Secret, error) {
	where := kindSecret + " " + nameOf(secret).String()
	certificate, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if len(certificate) == 0 || len(key) == 0 {
		return nil, fmt.Errorf("%s must have keys %s and %s", where, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %s and %s are not a key pair in PEM: %w", where, corev1.TLSCertKey, corev1.TLSPrivateKeyKey, err)
	}
	if err := supportedKey(pair.Leaf); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("%s: encode %s: %w", where, corev1.TLSPrivateKeyKey, err)
	}
	var chain bytes.Buffer
	for i, der := range pair.Certificate {
		// Of a chain, crypto/tls has looked at the leaf only.
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%s: certificate %d of %s: %w", where, i+1, corev1.TLSCertKey, err)
		}
		chain.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return &ir.Secret{
		Name:         "keypair/" + nameOf(secret).String(),
		Kind:         ir.SecretKeyPair,
		Certificates: chain.Bytes(),
		Key:          pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}, nil
}

func supportedKey(leaf *x509.Certificate) error {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return fmt.Errorf("an RSA key of %d bits is too short for Envoy: it takes %d or more", key.N.BitLen(), minRSABits)
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return errors.New("an ECDSA key on curve P-224 is not taken by Envoy: use P-256, P-384 or P-521")
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("a %s key is not taken by Envoy: use RSA or ECDSA", leaf.PublicKeyAlgorithm)
	}
	return nil
}
