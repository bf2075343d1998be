// Package bundle reads CA bundles, the ca.crt of ConfigMaps, Secrets and
// files, as people really make them. In goes text; out comes either a Bundle
// of certificates, without duplicates and ready to be encoded again, or an
// error that names the line and says what is wrong with it.
//
// It is the one place that reads a bundle, so that what originate lets pass is
// what the controller serves and what verify judges by. What it takes is what
// Envoy takes: certificates in PEM, with any text between the blocks. What
// Envoy would drop without a word (a damaged block, a block of another type)
// is an error here. Whether a certificate may sign others is not checked: a
// self-signed server certificate is a legal trust anchor.
package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// pemType is the type of block that PEM writes.
const pemType = "CERTIFICATE"

// Bundle is a set of trusted certificates, in the order in which they were
// found. One that Parse returned has at least one.
type Bundle struct {
	Certificates []*x509.Certificate
}

// Join gives the certificates of all bundles, each once. Nil bundles add
// nothing.
func Join(bundles ...*Bundle) *Bundle {
	joined := &Bundle{}
	seen := map[[sha256.Size]byte]bool{}
	for _, b := range bundles {
		if b == nil {
			continue
		}
		for _, certificate := range b.Certificates {
			if sum := sha256.Sum256(certificate.Raw); !seen[sum] {
				seen[sum] = true
				joined.Certificates = append(joined.Certificates, certificate)
			}
		}
	}
	return joined
}

// ValidFirst gives the same certificates in the order in which a verifier
// should try them: those that are valid now, then the others, of each the one
// that lasts longest first. BoringSSL, and so Envoy, takes the first that has
// the issuer's name and key, and fails if that one is not valid, although the
// same authority may be in the bundle with a certificate that is.
func (b *Bundle) ValidFirst(now time.Time) *Bundle {
	invalid := func(c *x509.Certificate) int {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return 1
		}
		return 0
	}
	return &Bundle{Certificates: slices.SortedStableFunc(slices.Values(b.Certificates), func(c, d *x509.Certificate) int {
		return cmp.Or(cmp.Compare(invalid(c), invalid(d)), d.NotAfter.Compare(c.NotAfter))
	})}
}

// PEM encodes the certificates, and nothing else. Parse reads it back.
func (b *Bundle) PEM() []byte {
	var out bytes.Buffer
	for _, certificate := range b.Certificates {
		// A bytes.Buffer takes every write, and there are no headers to refuse.
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: certificate.Raw}))
	}
	return out.Bytes()
}

// Pool holds the certificates for use by crypto/x509 and crypto/tls.
func (b *Bundle) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range b.Certificates {
		pool.AddCert(certificate)
	}
	return pool
}

// AllExpired tells whether nothing can be verified any more: there are
// certificates, and all have expired.
func (b *Bundle) AllExpired(now time.Time) bool {
	return len(b.Certificates) > 0 && len(b.Expired(now)) == len(b.Certificates)
}

// Expired gives the certificates whose time is over.
func (b *Bundle) Expired(now time.Time) []*x509.Certificate {
	return b.where(func(c *x509.Certificate) bool { return now.After(c.NotAfter) })
}

// NotYetValid gives the certificates whose time has not come.
func (b *Bundle) NotYetValid(now time.Time) []*x509.Certificate {
	return b.where(func(c *x509.Certificate) bool { return now.Before(c.NotBefore) })
}

// ExpiringWithin gives the certificates that have not expired, but will have
// when d has passed.
func (b *Bundle) ExpiringWithin(now time.Time, d time.Duration) []*x509.Certificate {
	return b.where(func(c *x509.Certificate) bool { return !now.After(c.NotAfter) && now.Add(d).After(c.NotAfter) })
}

func (b *Bundle) where(holds func(*x509.Certificate) bool) []*x509.Certificate {
	var found []*x509.Certificate
	for _, certificate := range b.Certificates {
		if holds(certificate) {
			found = append(found, certificate)
		}
	}
	return found
}
