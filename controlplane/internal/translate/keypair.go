package translate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// minRSABits is the smallest RSA key that Envoy loads.
const minRSABits = 2048

// parsedKeyPair is a key pair or why there is none.
type parsedKeyPair struct {
	secret *ir.Secret
	err    error
	// unfit is why a listener cannot have the pair, though a client can.
	unfit error
}

// keyPair reads tls.crt and tls.key of a Secret, once. They are checked as
// Envoy will check them: a pair that it refuses would hold up every update of
// the listener or cluster that uses it.
func (t *translation) keyPair(secret *corev1.Secret) (*ir.Secret, error) {
	name := nameOf(secret)
	if known, ok := t.keyPairs[name]; ok {
		return known.secret, known.err
	}
	parsed := remembered(t.options.Memo, "key pair", func() (p parsedKeyPair) {
		p.secret, p.unfit, p.err = parseKeyPair(secret)
		return p
	}, []byte(name.String()), secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	t.keyPairs[name] = parsed
	return parsed.secret, parsed.err
}

// serverKeyPair is keyPair for a listener. Envoy refuses the whole listener,
// with everybody's hosts on that port, for one pair that does not fit.
func (t *translation) serverKeyPair(secret *corev1.Secret) (*ir.Secret, error) {
	pair, err := t.keyPair(secret)
	if err != nil {
		return nil, err
	}
	if unfit := t.keyPairs[nameOf(secret)].unfit; unfit != nil {
		return nil, unfit
	}
	return pair, nil
}

func parseKeyPair(secret *corev1.Secret) (parsed *ir.Secret, unfit, err error) {
	where := kindSecret + " " + nameOf(secret).String()
	certificate, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if len(certificate) == 0 || len(key) == 0 {
		return nil, nil, fmt.Errorf("%s must have keys %s and %s", where, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s and %s are not a key pair in PEM: %w", where, corev1.TLSCertKey, corev1.TLSPrivateKeyKey, err)
	}
	if err := errors.Join(supportedKey(pair.Leaf), supportedPrivateKey(pair.PrivateKey)); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", where, err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: encode %s: %w", where, corev1.TLSPrivateKeyKey, err)
	}
	var chain bytes.Buffer
	for i, der := range pair.Certificate {
		// Of a chain, crypto/tls has looked at the leaf only.
		certificate, err := x509.ParseCertificate(der)
		if err == nil {
			err = bundle.CheckEncoding(certificate)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: certificate %d of %s: %w", where, i+1, corev1.TLSCertKey, err)
		}
		chain.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	if err := servable(pair.Leaf); err != nil {
		unfit = fmt.Errorf("%s: %w", where, err)
	}
	return &ir.Secret{
		Name:         "keypair/" + nameOf(secret).String(),
		Kind:         ir.SecretKeyPair,
		Certificates: chain.Bytes(),
		Key:          pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}, unfit, nil
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
		if hasExtension(leaf, 2, 5, 29, 15) && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			return errors.New("an ECDSA certificate whose key usage lacks digital signature is not taken by Envoy")
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("a %s key is not taken by Envoy: use RSA or ECDSA", leaf.PublicKeyAlgorithm)
	}
	return nil
}

// servable tells whether a listener can have a certificate.
func servable(leaf *x509.Certificate) error {
	commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
	named := slices.ContainsFunc(leaf.Subject.Names, func(n pkix.AttributeTypeAndValue) bool { return n.Type.Equal(commonName) })
	if !named && !hasExtension(leaf, 2, 5, 29, 17) {
		return errors.New("a certificate with neither a subject alternative name nor a common name is not taken by Envoy")
	}
	if hasExtension(leaf, 1, 3, 6, 1, 5, 5, 7, 1, 24) {
		return errors.New("a certificate that demands OCSP stapling (TLS feature) is not taken by Envoy, which has no response to staple: issue one without")
	}
	return nil
}

func hasExtension(c *x509.Certificate, id ...int) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

func supportedPrivateKey(key crypto.PrivateKey) error {
	const primes = 2
	if k, ok := key.(*rsa.PrivateKey); ok && len(k.Primes) > primes {
		return fmt.Errorf("an RSA key of %d primes is not taken by Envoy: it takes %d", len(k.Primes), primes)
	}
	return nil
}
