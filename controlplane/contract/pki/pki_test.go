package pki_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func maker() *pki.Maker { return pki.NewMaker(noon, rand.Reader) }

func must(t *testing.T) func(*pki.Pair, error) *pki.Pair {
	t.Helper()
	return func(p *pki.Pair, err error) *pki.Pair {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func pool(pairs ...*pki.Pair) *x509.CertPool {
	p := x509.NewCertPool()
	for _, pair := range pairs {
		p.AppendCertsFromPEM(pair.CertPEM())
	}
	return p
}

func TestLeafVerifies(t *testing.T) {
	t.Parallel()
	ca := must(t)(maker().CA(pki.Spec{CommonName: "root"}))
	other := must(t)(maker().CA(pki.Spec{CommonName: "other"}))
	tests := map[string]struct {
		spec  pki.Spec
		roots *x509.CertPool
		name  string
		usage x509.ExtKeyUsage
		at    time.Time
		want  string // part of the error; "" when it must verify
	}{
		"dns name":    {spec: pki.Spec{DNSNames: []string{"example.com"}}, name: "example.com"},
		"rsa":         {spec: pki.Spec{DNSNames: []string{"example.com"}, Key: pki.RSA2048}, name: "example.com"},
		"ip":          {spec: pki.Spec{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, name: "127.0.0.1"},
		"client":      {spec: pki.Spec{Usage: pki.Client}, usage: x509.ExtKeyUsageClientAuth},
		"both usages": {spec: pki.Spec{Usage: pki.ServerAndClient}, usage: x509.ExtKeyUsageClientAuth},
		"other name":  {spec: pki.Spec{DNSNames: []string{"wrong.example"}}, name: "example.com", want: "wrong.example"},
		"other ca":    {spec: pki.Spec{}, roots: pool(other), want: "unknown authority"},
		"wrong usage": {spec: pki.Spec{Usage: pki.Client}, usage: x509.ExtKeyUsageServerAuth, want: "incompatible key usage"},
		"expired": {
			spec: pki.Spec{NotBefore: noon().Add(-2 * time.Hour), NotAfter: noon().Add(-time.Hour)},
			want: "expired",
		},
		"not yet valid":  {spec: pki.Spec{NotBefore: noon().Add(time.Hour)}, want: "not yet valid"},
		"default begins": {spec: pki.Spec{}, at: noon().Add(-4 * time.Minute)},
		"default ends":   {spec: pki.Spec{}, at: noon().Add(366 * 24 * time.Hour), want: "expired"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.spec.CommonName = name
			leaf := must(t)(maker().Leaf(ca, tt.spec))
			opts := x509.VerifyOptions{Roots: pool(ca), DNSName: tt.name, CurrentTime: noon()}
			if tt.roots != nil {
				opts.Roots = tt.roots
			}
			if tt.usage != 0 {
				opts.KeyUsages = []x509.ExtKeyUsage{tt.usage}
			}
			if !tt.at.IsZero() {
				opts.CurrentTime = tt.at
			}
			_, err := leaf.Certificate().Verify(opts)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("does not verify: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Verify() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestChainEndsBelowTheRoot(t *testing.T) {
	t.Parallel()
	root := must(t)(maker().CA(pki.Spec{CommonName: "root"}))
	upper := must(t)(maker().Intermediate(root, pki.Spec{CommonName: "upper"}))
	lower := must(t)(maker().Intermediate(upper, pki.Spec{CommonName: "lower"}))
	leaf := must(t)(maker().Leaf(lower, pki.Spec{CommonName: "leaf"}))

	if got, want := bytes.Count(leaf.ChainPEM(), []byte("BEGIN CERTIFICATE")), 3; got != want {
		t.Errorf("chain has %d certificates, want %d: leaf, lower, upper", got, want)
	}
	if got, want := bytes.Count(leaf.CertPEM(), []byte("BEGIN CERTIFICATE")), 1; got != want {
		t.Errorf("CertPEM has %d certificates, want %d", got, want)
	}
	if _, err := leaf.Certificate().Verify(x509.VerifyOptions{
		Roots: pool(root), Intermediates: pool(upper, lower), CurrentTime: noon(),
	}); err != nil {
		t.Errorf("with its intermediates: %v", err)
	}
	if _, err := leaf.Certificate().Verify(x509.VerifyOptions{Roots: pool(root), CurrentTime: noon()}); err == nil {
		t.Error("verifies without its intermediates")
	}
}

func TestKeyBelongsToItsCertificate(t *testing.T) {
	t.Parallel()
	ca := must(t)(maker().CA(pki.Spec{CommonName: "root"}))
	for _, kind := range []pki.KeyType{pki.ECDSAP256, pki.RSA2048} {
		leaf := must(t)(maker().Leaf(ca, pki.Spec{CommonName: "leaf", Key: kind}))
		keyPEM, err := leaf.Key().PEM()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := tls.X509KeyPair(leaf.ChainPEM(), keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(loaded.Certificate, leaf.TLS().Certificate); diff != "" {
			t.Errorf("PEM and TLS differ (-PEM +TLS):\n%s", diff)
		}
		public, err := leaf.Key().PublicPEM()
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(public)
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil || !leaf.Certificate().PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(parsed) {
			t.Errorf("PublicPEM is not the certificate's key: %v", err)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	root := must(t)(maker().CA(pki.Spec{CommonName: "root"}))
	issuer := must(t)(maker().Intermediate(root, pki.Spec{CommonName: "issuer"}))
	issuerKey, err := issuer.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	above := must(t)(maker().Intermediate(issuer, pki.Spec{CommonName: "above"}))
	key, err := above.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	loaded := must(t)(pki.Load(above.ChainPEM(), key))
	leaf := must(t)(maker().Leaf(loaded, pki.Spec{CommonName: "leaf"}))
	if _, err := leaf.Certificate().Verify(x509.VerifyOptions{
		Roots: pool(root), Intermediates: pool(issuer, above), CurrentTime: noon(),
	}); err != nil {
		t.Errorf("what a loaded authority has signed: %v", err)
	}
	if got, want := bytes.Count(leaf.ChainPEM(), []byte("BEGIN CERTIFICATE")), 3; got != want {
		t.Errorf("chain has %d certificates, want %d: leaf, above, issuer", got, want)
	}
	for name, pair := range map[string][2][]byte{
		"another key": {above.ChainPEM(), issuerKey}, "no key": {above.ChainPEM(), nil}, "no certificate": {nil, key},
	} {
		if _, err := pki.Load(pair[0], pair[1]); err == nil || strings.Contains(err.Error(), "PRIVATE KEY-----\nM") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeafCannotSign(t *testing.T) {
	t.Parallel()
	self := must(t)(maker().SelfSigned(pki.Spec{CommonName: "self", DNSNames: []string{"example.com"}}))
	if _, err := self.Certificate().Verify(x509.VerifyOptions{Roots: pool(self), DNSName: "example.com", CurrentTime: noon()}); err != nil {
		t.Errorf("a self-signed certificate is not its own trust bundle: %v", err)
	}
	if _, err := maker().Leaf(self, pki.Spec{CommonName: "below"}); !errors.Is(err, pki.ErrNotCA) {
		t.Errorf("Leaf() = %v, want ErrNotCA", err)
	}
}

func TestKeysNeverPrint(t *testing.T) {
	t.Parallel()
	pair := must(t)(maker().SelfSigned(pki.Spec{CommonName: "secret"}))
	keyPEM, err := pair.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := tls.X509KeyPair(pair.ChainPEM(), keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	revealing := fmt.Sprintf("%+v", parsed.PrivateKey)
	type holder struct{ Key pki.Key }
	encoded, err := json.Marshal(holder{pair.Key()})
	if err != nil {
		t.Fatal(err)
	}
	printed := string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{pair.Key(), holder{pair.Key()}, pair} {
			printed += fmt.Sprintf(verb, v)
		}
	}
	if strings.Contains(printed, "PRIVATE KEY") || strings.Contains(printed, revealing) || len(printed) > 1000 {
		t.Errorf("a key printed: %s", printed)
	}
	if !strings.Contains(printed, "[private key]") {
		t.Errorf("no redacted key in %s", printed)
	}
}
