package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"slices"
	"time"
)

// ErrNotCA is returned when a certificate is to be signed by one that is not
// a certificate authority.
var ErrNotCA = errors.New("the issuer is not a certificate authority")

const (
	// backdate lets a certificate be valid on machines whose clock is a
	// little behind the one that made it.
	backdate = 5 * time.Minute
	// defaultValidity keeps below the 398 days that some clients allow.
	defaultValidity = 365 * 24 * time.Hour
	serialBits      = 127
)

// Usage says what a leaf certificate is for, as its extended key usage.
type Usage int

const (
	// Server is TLS server authentication, and the default.
	Server Usage = iota
	// Client is TLS client authentication.
	Client
	// ServerAndClient is both.
	ServerAndClient
)

// Spec describes one certificate. The zero value of each field but
// CommonName has a working default.
type Spec struct {
	CommonName string
	// Organization becomes a user's groups where Kubernetes authenticates
	// by client certificate.
	Organization []string
	// DNSNames, IPs and URIs are the subject alternative names.
	DNSNames []string
	IPs      []net.IP
	URIs     []string
	// NotBefore and NotAfter are, when zero, five minutes ago and one year
	// from now.
	NotBefore, NotAfter time.Time
	// Usage is ignored for authorities.
	Usage Usage
	Key   KeyType
}

// Maker makes certificates.
type Maker struct {
	now  func() time.Time
	rand io.Reader
}

// NewMaker returns a Maker on the given clock and source of randomness:
// time.Now and crypto/rand.Reader outside of tests.
func NewMaker(now func() time.Time, rand io.Reader) *Maker {
	return &Maker{now: now, rand: rand}
}

// CA makes a self-signed certificate authority.
func (m *Maker) CA(spec Spec) (*Pair, error) {
	return m.make(nil, spec, authority)
}

// Intermediate makes a certificate authority signed by issuer.
func (m *Maker) Intermediate(issuer *Pair, spec Spec) (*Pair, error) {
	return m.make(issuer, spec, authority)
}

// Leaf makes an end-entity certificate signed by issuer.
func (m *Maker) Leaf(issuer *Pair, spec Spec) (*Pair, error) {
	return m.make(issuer, spec, endEntity)
}

// SelfSigned makes an end-entity certificate that signs itself, as servers
// have that were set up by hand: it serves as its own trust bundle.
func (m *Maker) SelfSigned(spec Spec) (*Pair, error) {
	return m.make(nil, spec, endEntity)
}

type role int

const (
	authority role = iota
	endEntity
)

func (m *Maker) make(issuer *Pair, spec Spec, r role) (*Pair, error) {
	if issuer != nil && !issuer.cert.IsCA {
		return nil, fmt.Errorf("sign certificate %q with %q: %w", spec.CommonName, issuer.cert.Subject.CommonName, ErrNotCA)
	}
	template, err := m.template(spec, r)
	if err != nil {
		return nil, fmt.Errorf("make certificate %q: %w", spec.CommonName, err)
	}
	key, err := m.generateKey(spec.Key)
	if err != nil {
		return nil, fmt.Errorf("make key of certificate %q: %w", spec.CommonName, err)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(m.rand, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate %q: %w", spec.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate %q: %w", spec.CommonName, err)
	}
	return &Pair{cert: cert, chain: chainAbove(issuer), key: key}, nil
}

// chainAbove is what a server presents beyond its own certificate: every
// authority up to, and without, the self-signed root.
func chainAbove(issuer *Pair) []*x509.Certificate {
	if issuer == nil || issuer.selfSigned() {
		return nil
	}
	return append([]*x509.Certificate{issuer.cert}, issuer.chain...)
}

func (m *Maker) template(spec Spec, r role) (*x509.Certificate, error) {
	serial := make([]byte, serialBits/8+1)
	if _, err := io.ReadFull(m.rand, serial); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	serial[0] &= 1<<(serialBits%8) - 1 // positive, as RFC 5280 asks
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: spec.CommonName, Organization: spec.Organization},
		NotBefore:             spec.NotBefore,
		NotAfter:              spec.NotAfter,
		DNSNames:              slices.Clone(spec.DNSNames),
		IPAddresses:           slices.Clone(spec.IPs),
		BasicConstraintsValid: true,
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = m.now().Add(-backdate)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = m.now().Add(defaultValidity)
	}
	for _, s := range spec.URIs {
		u, err := url.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("parse URI name: %w", err)
		}
		template.URIs = append(template.URIs, u)
	}
	if r == authority {
		template.IsCA = true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		return template, nil
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if spec.Key.rsaBits() > 0 {
		// RSA key exchange of TLS 1.2 and older encrypts with this key.
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	template.ExtKeyUsage = spec.Usage.extended()
	return template, nil
}

func (u Usage) extended() []x509.ExtKeyUsage {
	switch u {
	case Client:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case ServerAndClient:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	case Server:
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

// Pair is a certificate, the intermediates above it, and its private key.
type Pair struct {
	cert  *x509.Certificate
	chain []*x509.Certificate
	key   crypto.Signer
}

// Load reads a Pair from the PEM of a certificate, which intermediates may
// follow, and of its key.
func Load(chainPEM, keyPEM []byte) (*Pair, error) {
	loaded, err := tls.X509KeyPair(chainPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("load a certificate and its key: %w", err)
	}
	key, ok := loaded.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("load a certificate and its key: a %T cannot sign", loaded.PrivateKey)
	}
	pair := &Pair{cert: loaded.Leaf, key: key}
	for _, der := range loaded.Certificate[1:] {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("load the certificates above %q: %w", loaded.Leaf.Subject.CommonName, err)
		}
		pair.chain = append(pair.chain, above)
	}
	return pair, nil
}

// Certificate is the parsed certificate; callers do not change it.
func (p *Pair) Certificate() *x509.Certificate { return p.cert }

// CertPEM is the certificate alone: for an authority, its trust bundle.
func (p *Pair) CertPEM() []byte { return encodeCertificates(p.cert) }

// ChainPEM is the certificate followed by its intermediates, without the
// root: what a server presents.
func (p *Pair) ChainPEM() []byte {
	return encodeCertificates(append([]*x509.Certificate{p.cert}, p.chain...)...)
}

// Key is the private key.
func (p *Pair) Key() Key { return Key{signer: p.key} }

// TLS is the pair in the form that crypto/tls takes, chain included.
func (p *Pair) TLS() tls.Certificate {
	raw := [][]byte{p.cert.Raw}
	for _, c := range p.chain {
		raw = append(raw, c.Raw)
	}
	return tls.Certificate{Certificate: raw, PrivateKey: p.key, Leaf: p.cert}
}

// Format implements fmt.Formatter, so that no verb reaches the key.
func (p *Pair) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "certificate %q", p.cert.Subject.CommonName)
}

func (p *Pair) selfSigned() bool {
	return p.cert.CheckSignatureFrom(p.cert) == nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
