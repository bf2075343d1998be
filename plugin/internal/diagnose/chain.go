package diagnose

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Chain judges a presented chain, leaf first, as Envoy would: the path to a
// trusted certificate and its dates first, then the leaf's usage, then its
// names. The first finding is what Envoy fails on; none means that it passes.
// Findings have no Hint.
func Chain(chain []*x509.Certificate, trust Trust, identity Identity, now time.Time) []Finding {
	if len(chain) == 0 {
		return nil
	}
	var findings []Finding
	if !trust.None {
		if f := path(chain, trust, now); f != nil && !trust.Unknown {
			findings = append(findings, *f)
		}
		if f := usage(chain[0]); f != nil {
			findings = append(findings, *f)
		}
	}
	if f := names(chain[0], identity); f != nil {
		findings = append(findings, *f)
	}
	if f := weakness(chain[0]); f != nil {
		findings = append(findings, *f)
	}
	presented := describeLeaf(chain)
	for i := range findings {
		if findings[i].Presented == "" {
			findings[i].Presented = presented
		}
	}
	return findings
}

// path says why no path of valid certificates leads from the leaf to a
// trusted one; nil if one does.
func path(chain []*x509.Certificate, trust Trust, now time.Time) *Finding {
	if weak := weakSignature(chain[0]); weak != "" {
		return &Finding{Code: WeakCertificate, Message: weak, Expected: "a certificate signed with SHA-256 or better"}
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: trust.pool(), Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err == nil {
		return nil
	}
	// A path that is there but for its dates fails for its dates alone; there
	// need not be any moment at which all of it was valid.
	if f := dates(timeless(chain[0], chain[1:], trust, maxPath), chain, now); f != nil {
		return f
	}
	if f := missingIntermediate(chain, trust); f != nil {
		return f
	}
	return unknownAuthority(chain, trust, err)
}

func (t Trust) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if t.System && t.SystemPool != nil {
		pool = t.SystemPool.Clone()
	}
	for _, c := range t.Certificates {
		pool.AddCert(c)
	}
	return pool
}

// maxPath bounds how many certificates a path may have.
const maxPath = 8

// timeless is a path of signatures from c to a trusted certificate, whatever
// the dates; nil if there is none.
func timeless(c *x509.Certificate, presented []*x509.Certificate, trust Trust, room int) []*x509.Certificate {
	if trust.holds(c) {
		return []*x509.Certificate{c}
	}
	if room == 0 {
		return nil
	}
	for _, issuer := range slices.Concat(trust.Certificates, presented) {
		if !issued(issuer, c) {
			continue
		}
		if above := timeless(issuer, presented, trust, room-1); above != nil {
			return append([]*x509.Certificate{c}, above...)
		}
	}
	return nil
}

// holds: c is trusted itself, or by the system at some moment of its life.
func (t Trust) holds(c *x509.Certificate) bool {
	if slices.ContainsFunc(t.Certificates, c.Equal) {
		return true
	}
	if !t.System || t.SystemPool == nil {
		return false
	}
	for _, at := range []time.Time{c.NotBefore, c.NotAfter} {
		if _, err := c.Verify(x509.VerifyOptions{Roots: t.SystemPool, CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			return true
		}
	}
	return false
}

func issued(issuer, c *x509.Certificate) bool {
	return !issuer.Equal(c) && bytes.Equal(issuer.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(issuer) == nil
}

// dates names the first certificate of a good path that is not valid now.
func dates(found, chain []*x509.Certificate, now time.Time) *Finding {
	for i, c := range found {
		expired, early := now.After(c.NotAfter), now.Before(c.NotBefore)
		if !expired && !early {
			continue
		}
		trusted := i > 0 && !slices.ContainsFunc(chain, c.Equal)
		whose := "the backend's certificate"
		switch {
		case trusted:
			whose = "the trusted CA certificate " + Named(c)
		case i > 0:
			whose = "the presented intermediate certificate " + Named(c)
		}
		return datesFinding(c, whose, trusted, expired)
	}
	return nil
}

func datesFinding(c *x509.Certificate, whose string, trusted, expired bool) *Finding {
	f := &Finding{Expected: "a certificate that is valid now"}
	if expired {
		f.Code = CertificateExpired
		f.Message = fmt.Sprintf("%s expired on %s", whose, Day(c.NotAfter))
	} else {
		f.Code = CertificateNotYetValid
		f.Message = fmt.Sprintf("%s is valid only from %s on", whose, Day(c.NotBefore))
	}
	if trusted {
		f.Code = CAExpired
		if !expired {
			f.Code = CANotYetValid
		}
		f.Expected = "a trust bundle that is valid now"
	}
	return f
}

// missingIntermediate tells a chain with a gap from one of a stranger. Both
// end in an issuer that is neither presented nor trusted; a gap is certain
// where presented certificates do not link up, and likely where the issuer
// calls itself an intermediate or is one by its nature.
func missingIntermediate(chain []*x509.Certificate, trust Trust) *Finding {
	top := topOf(chain)
	if selfSigned(top) || trust.hasSubject(top.RawIssuer) {
		return nil
	}
	unlinked := unlinkedOf(chain, trust)
	if !unlinked && !namedIntermediate(top.Issuer.CommonName) && !intermediateByNature(top, trust) {
		return nil
	}
	message := fmt.Sprintf("the backend does not present the certificate of %s, which issued %s", top.Issuer, Named(top))
	if unlinked {
		message = fmt.Sprintf("none of the certificates that the backend presents beside its own issued it; %s did", top.Issuer)
	}
	return &Finding{Code: IncompleteChain, Message: message, Expected: "a chain up to " + trust.String()}
}

// topOf follows issuers through the presented certificates.
func topOf(chain []*x509.Certificate) *x509.Certificate {
	top := chain[0]
	for range chain {
		issuer := issuerOf(top, chain)
		if issuer == nil {
			break
		}
		top = issuer
	}
	return top
}

func issuerOf(c *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	if selfSigned(c) {
		return nil
	}
	for _, candidate := range among {
		if issued(candidate, c) {
			return candidate
		}
	}
	return nil
}

// unlinkedOf says whether the backend presents certificates that the trust
// knows, though none of them leads down to its own.
func unlinkedOf(chain []*x509.Certificate, trust Trust) bool {
	return slices.ContainsFunc(chain[1:], func(c *x509.Certificate) bool {
		return timeless(c, chain[1:], trust, maxPath) != nil
	})
}

func namedIntermediate(commonName string) bool {
	return regexp.MustCompile(`(?i)\b(intermediate|issuing|subordinate|sub[- ]?ca)\b`).MatchString(commonName)
}

// intermediateByNature: an issuer whose certificate can be fetched (AIA, RFC
// 5280 section 4.2.2.1), under public trust or of the same organization as a
// trusted one. Public roots sign no leaf themselves.
func intermediateByNature(top *x509.Certificate, trust Trust) bool {
	if len(top.IssuingCertificateURL) == 0 {
		return false
	}
	sameOrganization := slices.ContainsFunc(trust.Certificates, func(c *x509.Certificate) bool {
		return len(c.Subject.Organization) > 0 && slices.Equal(c.Subject.Organization, top.Issuer.Organization)
	})
	return trust.System || sameOrganization
}

func unknownAuthority(chain []*x509.Certificate, trust Trust, err error) *Finding {
	top := topOf(chain)
	f := &Finding{Code: UnknownAuthority, Expected: "a chain up to " + trust.String()}
	var invalid x509.CertificateInvalidError
	switch {
	case len(chain) == 1 && selfSigned(top):
		f.Message = fmt.Sprintf("the backend's certificate %s signs itself, and is not in %s", Named(top), trust)
	case trust.hasSubject(top.RawIssuer):
		f.Message = fmt.Sprintf("%s is in %s, but with another key than the one that signed %s", top.Issuer, trust, Named(top))
	case errors.As(err, &invalid):
		f.Message = fmt.Sprintf("the chain up to %s is not acceptable: %v", top.Issuer, invalid)
	default:
		f.Message = fmt.Sprintf("the backend's certificate was issued by %s, which is not in %s", top.Issuer, trust)
	}
	return f
}

// hasSubject says whether a trusted certificate has that name.
func (t Trust) hasSubject(subject []byte) bool {
	return slices.ContainsFunc(t.Certificates, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject, subject)
	})
}

// String names the trust in a few words.
func (t Trust) String() string {
	switch {
	case t.None:
		return "nothing (verification is off)"
	case t.System:
		return "the system bundle"
	case t.File != "":
		return "file " + t.File + " in the proxy"
	case len(t.Refs) == 0:
		return "the trust bundle"
	}
	text := strings.Join(t.Refs, ", ")
	var subjects []string
	for _, c := range t.Certificates {
		subjects = append(subjects, Named(c))
	}
	if len(subjects) > 0 && len(subjects) <= 2 {
		text += " (" + strings.Join(subjects, ", ") + ")"
	}
	return text
}

// usage checks what the leaf may be used for.
func usage(leaf *x509.Certificate) *Finding {
	f := &Finding{Code: KeyUsageInvalid, Expected: "extended key usage serverAuth, key usage digitalSignature"}
	if len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		f.Message = "the backend's certificate may not be used by a server: its extended key usage lacks serverAuth"
		return f
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement) == 0 {
		f.Message = "the backend's certificate may not sign handshakes: its key usage lacks digitalSignature"
		return f
	}
	return nil
}
