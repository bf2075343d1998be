package envoytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is a certificate authority.
type CA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// PEM is its certificate.
	PEM []byte
}

// Pair is a certificate and its key, PEM encoded.
type Pair struct{ Certificate, Key []byte }

// NewCA makes a certificate authority.
func NewCA(tb testing.TB, name string) *CA {
	tb.Helper()
	return newCA(tb, template(name))
}

// NewExpiredCA makes a certificate authority whose time was over an hour ago.
func NewExpiredCA(tb testing.TB, name string) *CA {
	tb.Helper()
	expired := template(name)
	expired.NotBefore, expired.NotAfter = expired.NotBefore.AddDate(-10, 0, 0), expired.NotBefore
	return newCA(tb, expired)
}

func newCA(tb testing.TB, template *x509.Certificate) *CA {
	tb.Helper()
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatalf("make CA %q: %v", template.Subject.CommonName, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("parse CA %q: %v", template.Subject.CommonName, err)
	}
	return &CA{certificate: certificate, key: key, PEM: encode("CERTIFICATE", der)}
}

// Issue makes a certificate for a server or client with the given DNS and URI
// subject alternative names.
func (ca *CA) Issue(tb testing.TB, dns, uris []string) Pair {
	tb.Helper()
	template := template("leaf")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = dns
	for _, uri := range uris {
		parsed, err := url.Parse(uri)
		if err != nil {
			tb.Fatalf("parse URI %q: %v", uri, err)
		}
		template.URIs = append(template.URIs, parsed)
	}
	return ca.issue(tb, template)
}

// IssueHost makes a certificate of a server that has a name and an address.
func (ca *CA) IssueHost(tb testing.TB, name string, address net.IP) Pair {
	tb.Helper()
	template := template("leaf")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = []string{name}, []net.IP{address}
	return ca.issue(tb, template)
}

func (ca *CA) issue(tb testing.TB, template *x509.Certificate) Pair {
	tb.Helper()
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		tb.Fatalf("issue a certificate: %v", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("encode a key: %v", err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", keyDER)}
}

// TLS is the pair as a tls.Certificate.
func (p Pair) TLS(tb testing.TB) tls.Certificate {
	tb.Helper()
	certificate, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		tb.Fatalf("load a key pair: %v", err)
	}
	return certificate
}

// Pool trusts the CA.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	return pool
}

// WriteFile writes content to a new file of the test and gives its path.
func WriteFile(tb testing.TB, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatalf("write %s: %v", name, err)
	}
	return path
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	return key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
