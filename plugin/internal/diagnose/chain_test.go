package diagnose

import (
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// world of certificates whose names and dates, and so all messages, are the
// same in every run.
type authorities struct {
	t                               *testing.T
	maker                           *pki.Maker
	root, stranger, old, coming     *pki.Pair
	intermediate, plainIntermediate *pki.Pair
}

func newAuthorities(t *testing.T) *authorities {
	t.Helper()
	a := &authorities{t: t, maker: pki.NewMaker(noon, rand.Reader)}
	a.root = a.made(a.maker.CA(pki.Spec{CommonName: "test root CA"}))
	a.stranger = a.made(a.maker.CA(pki.Spec{CommonName: "some other CA"}))
	a.old = a.made(a.maker.CA(pki.Spec{CommonName: "old CA", NotBefore: noon().AddDate(-2, 0, 0), NotAfter: noon().AddDate(-1, 0, 0)}))
	a.coming = a.made(a.maker.CA(pki.Spec{CommonName: "coming CA", NotBefore: noon().AddDate(1, 0, 0), NotAfter: noon().AddDate(2, 0, 0)}))
	a.intermediate = a.made(a.maker.Intermediate(a.root, pki.Spec{CommonName: "test intermediate CA"}))
	a.plainIntermediate = a.made(a.maker.Intermediate(a.root, pki.Spec{CommonName: "R3"}))
	return a
}

func (a *authorities) made(p *pki.Pair, err error) *pki.Pair {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

// chain is what a server presents with a leaf for example.com of issuer.
func (a *authorities) chain(issuer *pki.Pair, change func(*pki.Spec)) []*x509.Certificate {
	a.t.Helper()
	spec := pki.Spec{CommonName: "example.com", DNSNames: []string{"example.com"}}
	if change != nil {
		change(&spec)
	}
	pair := a.made(a.maker.Leaf(issuer, spec))
	if issuer == nil {
		pair = a.made(a.maker.SelfSigned(spec))
	}
	var chain []*x509.Certificate
	for _, der := range pair.TLS().Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			a.t.Fatal(err)
		}
		chain = append(chain, c)
	}
	return chain
}

func trusting(pairs ...*pki.Pair) Trust {
	t := Trust{Refs: []string{"configmap/ca"}}
	for _, p := range pairs {
		t.Certificates = append(t.Certificates, p.Certificate())
	}
	return t
}

func identity(names ...string) Identity {
	i := Identity{SNI: "example.com", Field: "BackendTLSPolicy/nginx-tls validation.hostname"}
	for _, name := range names {
		i.SANs = append(i.SANs, SAN{DNS, name})
	}
	return i
}

func TestChain(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	selfSigned := a.made(a.maker.SelfSigned(pki.Spec{CommonName: "example.com", DNSNames: []string{"example.com"}}))
	reissued := a.made(a.maker.CA(pki.Spec{CommonName: "test root CA"}))
	expired := func(s *pki.Spec) { s.NotBefore, s.NotAfter = noon().AddDate(-2, 0, 0), noon().AddDate(-1, 0, 0) }
	mixedUp := append(a.chain(a.intermediate, nil)[:1], a.plainIntermediate.Certificate())
	for name, test := range map[string]struct {
		chain    []*x509.Certificate
		trust    Trust
		identity Identity
		want     []Code
	}{
		"good":                      {a.chain(a.root, nil), trusting(a.root), identity("example.com"), nil},
		"good with intermediate":    {a.chain(a.intermediate, nil), trusting(a.root), identity("example.com"), nil},
		"trusts the intermediate":   {a.chain(a.intermediate, nil)[:1], trusting(a.intermediate), identity("example.com"), nil},
		"trusts the leaf itself":    {[]*x509.Certificate{selfSigned.Certificate()}, trusting(selfSigned), identity("example.com"), nil},
		"one of two names":          {a.chain(a.root, nil), trusting(a.root), identity("a.test", "example.com"), nil},
		"chain only":                {a.chain(a.root, nil), trusting(a.root), identity(), nil},
		"no verification":           {a.chain(a.stranger, nil), Trust{None: true}, identity(), nil},
		"nothing presented":         {nil, trusting(a.root), identity("example.com"), nil},
		"stranger":                  {a.chain(a.stranger, nil), trusting(a.root), identity("example.com"), []Code{UnknownAuthority}},
		"stranger, unknown trust":   {a.chain(a.stranger, nil), Trust{Unknown: true}, identity("example.com"), nil},
		"self-signed":               {[]*x509.Certificate{selfSigned.Certificate()}, trusting(a.root), identity("example.com"), []Code{UnknownAuthority}},
		"same name, other key":      {a.chain(a.root, nil), trusting(reissued), identity("example.com"), []Code{UnknownAuthority}},
		"missing intermediate":      {a.chain(a.intermediate, nil)[:1], trusting(a.root), identity("example.com"), []Code{IncompleteChain}},
		"wrong intermediate":        {mixedUp, trusting(a.root), identity("example.com"), []Code{IncompleteChain}},
		"unnamed intermediate":      {a.chain(a.plainIntermediate, nil)[:1], trusting(a.root), identity("example.com"), []Code{UnknownAuthority}},
		"other name":                {a.chain(a.root, nil), trusting(a.root), identity("example.org"), []Code{HostnameMismatch}},
		"stranger with other name":  {a.chain(a.stranger, nil), trusting(a.root), identity("example.org"), []Code{UnknownAuthority, HostnameMismatch}},
		"expired":                   {a.chain(a.root, expired), trusting(a.root), identity("example.com"), []Code{CertificateExpired}},
		"expired, CA expired too":   {a.chain(a.old, expired), trusting(a.old), identity("example.com"), []Code{CertificateExpired}},
		"CA expired":                {a.chain(a.old, nil), trusting(a.old, a.stranger), identity("example.com"), []Code{CAExpired}},
		"CA not yet valid":          {a.chain(a.coming, nil), trusting(a.coming), identity("example.com"), []Code{CANotYetValid}},
		"client certificate":        {a.chain(a.root, func(s *pki.Spec) { s.Usage = pki.Client }), trusting(a.root), identity("example.com"), []Code{KeyUsageInvalid}},
		"small key":                 {a.chain(a.root, func(s *pki.Spec) { s.Key = pki.RSA1024 }), trusting(a.root), identity("example.com"), []Code{WeakCertificate}},
		"system bundle, unknown CA": {a.chain(a.root, nil), Trust{System: true, SystemPool: x509.NewCertPool()}, identity("example.com"), []Code{UnknownAuthority}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []Code
			for _, f := range Chain(test.chain, test.trust, test.identity, noon()) {
				got = append(got, f.Code)
				if f.Message == "" || f.Expected == "" || f.Presented == "" {
					t.Errorf("a finding without message, expected or presented: %+v", f)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNotYetValid(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	early := a.chain(a.root, func(s *pki.Spec) { s.NotBefore = noon().AddDate(0, 1, 0) })
	findings := Chain(early, trusting(a.root), identity("example.com"), noon())
	if len(findings) != 1 || findings[0].Code != CertificateNotYetValid || !strings.Contains(findings[0].Message, "2026-12-23") {
		t.Errorf("got %+v", findings)
	}
}

func TestCommonNameIsNoName(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	chain := a.chain(a.root, func(s *pki.Spec) { s.DNSNames = nil })
	findings := Chain(chain, trusting(a.root), identity("example.com"), noon())
	if len(findings) != 1 || findings[0].Code != HostnameMismatch || !strings.Contains(findings[0].Message, "common name") {
		t.Errorf("got %+v", findings)
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	chain := a.chain(a.root, func(s *pki.Spec) { s.URIs = []string{"spiffe://a/b"} })
	good := Identity{SANs: []SAN{{URI, "spiffe://a/b"}}}
	bad := Identity{SANs: []SAN{{URI, "spiffe://a/c"}, {DNS, "spiffe://a/b"}}}
	if findings := Chain(chain, trusting(a.root), good, noon()); findings != nil {
		t.Errorf("good: %+v", findings)
	}
	if findings := Chain(chain, trusting(a.root), bad, noon()); len(findings) != 1 || findings[0].Code != HostnameMismatch {
		t.Errorf("bad: %+v", findings)
	}
}

func TestMatchDNS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"example.com", "example.com", true},
		{"EXAMPLE.com", "example.COM", true},
		{"example.com.", "example.com", true},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", ".example.com", false},
		{"*.com", "example.com", false},
		{"*", "example.com", false},
		{"a*.example.com", "ab.example.com", false},
		{"", "", false},
	} {
		if got := MatchDNS(test.pattern, test.host); got != test.want {
			t.Errorf("MatchDNS(%q, %q) = %v", test.pattern, test.host, got)
		}
	}
}

func TestStrangersTextIsHarmless(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	chain := a.chain(a.stranger, func(s *pki.Spec) { s.CommonName, s.DNSNames = "x\x1b[2Jy\nz", nil })
	for _, f := range Chain(chain, trusting(a.root), identity("example.com"), noon()) {
		if text := f.Message + f.Presented; strings.ContainsAny(text, "\x1b\n") {
			t.Errorf("control characters in %q", text)
		}
	}
}
