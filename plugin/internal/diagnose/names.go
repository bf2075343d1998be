package diagnose

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// minRSABits is what BoringSSL and public authorities ask for.
const minRSABits = 2048

// names checks the leaf against the accepted names. Only subject alternative
// names count (RFC 9525, section 6.2): a common name never does.
func names(leaf *x509.Certificate, identity Identity) *Finding {
	if len(identity.SANs) == 0 {
		return nil
	}
	for _, accepted := range identity.SANs {
		if hasSAN(leaf, accepted) {
			return nil
		}
	}
	f := &Finding{Code: HostnameMismatch, Expected: identity.String()}
	switch {
	case len(sansOf(leaf)) > 0:
		f.Message = fmt.Sprintf("the backend's certificate is not for %s", identity.values())
	case leaf.Subject.CommonName != "":
		f.Message = fmt.Sprintf("the backend's certificate has no subject alternative name; its common name %q is ignored",
			oneLine(leaf.Subject.CommonName))
	default:
		f.Message = "the backend's certificate has no subject alternative name"
	}
	return f
}

func hasSAN(leaf *x509.Certificate, accepted SAN) bool {
	if accepted.Type == URI {
		for _, uri := range leaf.URIs {
			if uri.String() == accepted.Value {
				return true
			}
		}
		return false
	}
	for _, pattern := range leaf.DNSNames {
		if MatchDNS(pattern, accepted.Value) {
			return true
		}
	}
	return false
}

// MatchDNS says whether a certificate's DNS name is for host: case does not
// matter, and a wildcard stands for exactly one whole leftmost label (RFC
// 9525, section 6.3).
func MatchDNS(pattern, host string) bool {
	pattern = strings.ToLower(strings.TrimSuffix(pattern, "."))
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	suffix, wildcard := strings.CutPrefix(pattern, "*.")
	if !wildcard {
		return pattern == host && host != ""
	}
	label, rest, found := strings.Cut(host, ".")
	return found && label != "" && label != "*" && rest == suffix && strings.Contains(suffix, ".")
}

// String is "SAN a or b".
func (i Identity) String() string {
	text := "SAN " + i.values()
	if i.Field != "" {
		text += "   (" + i.Field + ")"
	}
	return text
}

func (i Identity) values() string {
	values := make([]string, 0, len(i.SANs))
	for _, s := range i.SANs {
		values = append(values, s.Value)
	}
	return strings.Join(values, " or ")
}

// weakness is what a strict peer refuses, now or soon.
func weakness(leaf *x509.Certificate) *Finding {
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
		return &Finding{
			Code:     WeakCertificate,
			Message:  fmt.Sprintf("the backend's certificate has an RSA key of only %d bits", key.N.BitLen()),
			Expected: fmt.Sprintf("at least %d bits", minRSABits),
		}
	}
	return nil
}

func weakSignature(leaf *x509.Certificate) string {
	switch leaf.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		if selfSigned(leaf) {
			return "" // its own signature is not what makes it trusted
		}
		return fmt.Sprintf("the backend's certificate is signed with %s, which is broken", leaf.SignatureAlgorithm)
	default:
		return ""
	}
}

// Leaf describes a certificate in one line: names, issuer, end.
func Leaf(leaf *x509.Certificate) string {
	sans := strings.Join(sansOf(leaf), ", ")
	if sans == "" {
		sans = "none"
	}
	issuer := leaf.Issuer.String()
	if selfSigned(leaf) {
		issuer = "itself"
	}
	return fmt.Sprintf("SAN %s   issuer %s   until %s", sans, oneLine(issuer), Day(leaf.NotAfter))
}

func describeLeaf(chain []*x509.Certificate) string { return Leaf(chain[0]) }

// maxNames is how many names of a certificate are shown.
const maxNames = 6

func sansOf(c *x509.Certificate) []string {
	var sans []string
	for _, name := range c.DNSNames {
		sans = append(sans, oneLine(name))
	}
	for _, uri := range c.URIs {
		sans = append(sans, oneLine(uri.String()))
	}
	for _, ip := range c.IPAddresses {
		sans = append(sans, ip.String())
	}
	if len(sans) > maxNames {
		more := len(sans) - maxNames
		sans = append(sans[:maxNames:maxNames], fmt.Sprintf("and %d more", more))
	}
	return sans
}

// Named names a certificate in a few words, on one line.
func Named(c *x509.Certificate) string {
	if subject := c.Subject.String(); subject != "" {
		return oneLine(subject)
	}
	if sans := sansOf(c); len(sans) > 0 {
		return sans[0]
	}
	return "without a name"
}

func selfSigned(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(c.RawIssuer) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// Day is when a certificate begins or ends, as a person reads it: 2026-01-31,
// in UTC.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// oneLine keeps a stranger's text from moving the cursor of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '.'
		}
		return r
	}, s)
}
