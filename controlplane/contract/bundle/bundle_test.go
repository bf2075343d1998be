package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newCertificate makes a self-signed certificate that is valid from notBefore
// for a day.
func newCertificate(tb testing.TB, name string, notBefore time.Time) *x509.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    notBefore,
		NotAfter:     notBefore.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return certificate
}

// encode makes PEM of certificates.
func encode(certificates ...*x509.Certificate) string {
	return string((&Bundle{Certificates: certificates}).PEM())
}

// names gives the common names of certificates.
func names(certificates []*x509.Certificate) []string {
	var found []string
	for _, certificate := range certificates {
		found = append(found, certificate.Subject.CommonName)
	}
	return found
}

func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestJoin(t *testing.T) {
	t.Parallel()
	a, b, c := newCertificate(t, "a", epoch()), newCertificate(t, "b", epoch()), newCertificate(t, "c", epoch())
	joined := Join(
		&Bundle{Certificates: []*x509.Certificate{b, a}},
		nil,
		&Bundle{Certificates: []*x509.Certificate{a, c, b}},
	)
	if diff := cmp.Diff([]string{"b", "a", "c"}, names(joined.Certificates)); diff != "" {
		t.Errorf("Join (-want +got):\n%s", diff)
	}
	if got := Join(); len(got.Certificates) != 0 {
		t.Errorf("Join of nothing has %d certificates", len(got.Certificates))
	}
}

func TestPEMHoldsOnlyCertificates(t *testing.T) {
	t.Parallel()
	want := newCertificate(t, "a", epoch())
	block, rest := pem.Decode([]byte(encode(want)))
	if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || len(rest) > 0 {
		t.Fatalf("not one plain CERTIFICATE block: %v, rest %q", block, rest)
	}
	if !bytes.Equal(block.Bytes, want.Raw) {
		t.Error("the certificate has changed")
	}
}

func TestPoolVerifies(t *testing.T) {
	t.Parallel()
	trusted, stranger := newCertificate(t, "a", epoch()), newCertificate(t, "b", epoch())
	pool := (&Bundle{Certificates: []*x509.Certificate{trusted}}).Pool()
	options := x509.VerifyOptions{Roots: pool, CurrentTime: epoch().Add(time.Hour)}
	if _, err := trusted.Verify(options); err != nil {
		t.Errorf("a certificate of the bundle: %v", err)
	}
	if _, err := stranger.Verify(options); err == nil {
		t.Error("a certificate that is not in the bundle was verified")
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	b := &Bundle{Certificates: []*x509.Certificate{
		newCertificate(t, "first", epoch()),
		newCertificate(t, "second", epoch().Add(2*day)),
	}}
	tests := []struct {
		name                                string
		now                                 time.Time
		expired, notYetValid, expiringInDay []string
		allExpired                          bool
	}{
		{name: "before both", now: epoch().Add(-time.Hour), notYetValid: []string{"first", "second"}},
		{name: "at the first's start", now: epoch(), notYetValid: []string{"second"}},
		{name: "in the first", now: epoch().Add(time.Hour), notYetValid: []string{"second"}, expiringInDay: []string{"first"}},
		{name: "at the first's end", now: epoch().Add(day), notYetValid: []string{"second"}, expiringInDay: []string{"first"}},
		{name: "in the second", now: epoch().Add(2*day + time.Hour), expired: []string{"first"}, expiringInDay: []string{"second"}},
		{name: "after both", now: epoch().Add(4 * day), expired: []string{"first", "second"}, allExpired: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for what, pair := range map[string][2][]string{
				"Expired":        {test.expired, names(b.Expired(test.now))},
				"NotYetValid":    {test.notYetValid, names(b.NotYetValid(test.now))},
				"ExpiringWithin": {test.expiringInDay, names(b.ExpiringWithin(test.now, day))},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			if got := b.AllExpired(test.now); got != test.allExpired {
				t.Errorf("AllExpired is %v", got)
			}
		})
	}
	if (&Bundle{}).AllExpired(epoch()) {
		t.Error("an empty bundle has nothing that could expire")
	}
}

func TestValidFirst(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	b := &Bundle{Certificates: []*x509.Certificate{
		newCertificate(t, "old", epoch().Add(-3*day)),
		newCertificate(t, "next", epoch().Add(2*time.Hour)),
		newCertificate(t, "now", epoch()),
		newCertificate(t, "newer", epoch().Add(time.Hour)),
		newCertificate(t, "as new", epoch().Add(time.Hour)),
	}}
	for at, want := range map[time.Duration][]string{
		90 * time.Minute:       {"newer", "as new", "now", "next", "old"},
		3 * time.Hour:          {"next", "newer", "as new", "now", "old"},
		day + 30*time.Minute:   {"next", "newer", "as new", "now", "old"},
		3*day - 30*time.Minute: {"next", "newer", "as new", "now", "old"},
	} {
		if diff := cmp.Diff(want, names(b.ValidFirst(epoch().Add(at)).Certificates)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", at, diff)
		}
	}
	if diff := cmp.Diff([]string{"old", "next", "now", "newer", "as new"}, names(b.Certificates)); diff != "" {
		t.Errorf("the bundle itself has changed (-want +got):\n%s", diff)
	}
}
