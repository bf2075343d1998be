package envoytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"
)

// OddPairs are key pairs for a server or client, by what is odd about them, on
// which parsers may differ. Each is for the DNS name in dns, and signed by the
// CA.
func OddPairs(tb testing.TB, ca *CA, dns string) map[string]Pair {
	tb.Helper()
	pairs := map[string]Pair{}
	for name, change := range map[string]func(*x509.Certificate){
		"a key usage of encipherment": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment },
		"a key usage of agreement":    func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement },
		"no key usage":                func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil },
		"an authority":                func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true },
		"an expired certificate":      func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1, 0) },
		"no name at all":              func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{} },
		"stapling demanded": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: tlv(tagSequence, tlv(tagInteger, []byte{5}))}}
		},
		"an unknown critical extension": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4, 5}, Critical: true, Value: tlv(0x05)}}
		},
	} {
		pairs["ECDSA, "+name] = ca.odd(tb, dns, newKey(tb), change)
		pairs["RSA, "+name] = ca.odd(tb, dns, rsaPrivateKey(tb, 2, 2048), change)
	}
	for name, key := range oddPrivateKeys(tb) {
		pairs[name] = ca.odd(tb, dns, key, func(*x509.Certificate) { /* The key is what is odd. */ })
	}
	plain := ca.Issue(tb, []string{dns}, nil)
	other := ca.Issue(tb, []string{dns}, nil)
	pairs["the leaf twice"] = Pair{slices.Concat(plain.Certificate, plain.Certificate), plain.Key}
	pairs["a chain of ten"] = Pair{slices.Concat(plain.Certificate, slices.Concat(slices.Repeat([][]byte{ca.PEM}, 9)...)), plain.Key}
	pairs["another's key"] = Pair{plain.Certificate, other.Key}
	for name, anchor := range OddCertificates(tb) {
		pairs["in the chain: "+name] = Pair{slices.Concat(plain.Certificate, anchor), plain.Key}
	}
	return pairs
}

func oddPrivateKeys(tb testing.TB) map[string]crypto.Signer {
	tb.Helper()
	keys := map[string]crypto.Signer{
		"RSA of 1024 bits": rsaPrivateKey(tb, 2, 1024), "RSA of 2047 bits": rsaPrivateKey(tb, 2, 2047), "RSA of three primes": rsaPrivateKey(tb, 3, 2048),
	}
	for name, curve := range map[string]elliptic.Curve{
		"a key on P-224": elliptic.P224(), "a key on P-384": elliptic.P384(), "a key on P-521": elliptic.P521(),
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			tb.Fatalf("make a key: %v", err)
		}
		keys[name] = key
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	keys["a key of Ed25519"] = edwards
	return keys
}

func rsaPrivateKey(tb testing.TB, primes, bits int) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateMultiPrimeKey(rand.Reader, primes, bits) //nolint:staticcheck // Whoever has one may bring it.
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	return key
}

// odd issues a certificate that change makes odd.
func (ca *CA) odd(tb testing.TB, dns string, key crypto.Signer, change func(*x509.Certificate)) Pair {
	tb.Helper()
	template := template("leaf")
	template.DNSNames = []string{dns}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		tb.Fatalf("issue a certificate: %v", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("encode a key: %v", err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", encoded)}
}
