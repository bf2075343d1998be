package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// What Envoy 1.40 (BoringSSL) takes for each TLS parameter, found by asking it
// for each name: envoy --mode validate. A value that it does not take would
// make it refuse the cluster, so every value is checked here.

// cipherSuites maps the names of cipher suites up to TLS 1.2, as OpenSSL and
// as IANA have them, to the former.
func cipherSuites() map[string]string {
	suites := map[string]string{
		"ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
		"ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		"ECDHE-ECDSA-AES128-SHA":        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
		"ECDHE-ECDSA-AES256-SHA":        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
		"ECDHE-ECDSA-AES128-SHA256":     "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
		"ECDHE-RSA-AES128-GCM-SHA256":   "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"ECDHE-RSA-AES256-GCM-SHA384":   "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"ECDHE-RSA-CHACHA20-POLY1305":   "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
		"ECDHE-RSA-AES128-SHA":          "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
		"ECDHE-RSA-AES256-SHA":          "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
		"ECDHE-RSA-AES128-SHA256":       "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
		"AES128-GCM-SHA256":             "TLS_RSA_WITH_AES_128_GCM_SHA256",
		"AES256-GCM-SHA384":             "TLS_RSA_WITH_AES_256_GCM_SHA384",
		"AES128-SHA":                    "TLS_RSA_WITH_AES_128_CBC_SHA",
		"AES256-SHA":                    "TLS_RSA_WITH_AES_256_CBC_SHA",
	}
	names := make(map[string]string, 2*len(suites))
	for openssl, iana := range suites {
		names[openssl], names[iana] = openssl, openssl
	}
	return names
}

// curves maps names of groups for the key exchange to those that are sent.
func curves() map[string]string {
	return map[string]string{
		"X25519": "X25519", "x25519": "X25519",
		"P-256": "P-256", "prime256v1": "P-256",
		"P-384": "P-384", "secp384r1": "P-384",
		"P-521": "P-521", "secp521r1": "P-521",
		"X25519MLKEM768": "X25519MLKEM768",
		"MLKEM1024":      "MLKEM1024",
	}
}

// signatureAlgorithms are names of RFC 8446.
func signatureAlgorithms() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"rsa_pkcs1_sha1", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512",
		"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512",
		"ecdsa_sha1", "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512",
		"ed25519",
	} {
		names[name] = name
	}
	return names
}

// canonical checks values against a table and gives each once, in order:
// Envoy refuses a curve or signature algorithm that is named twice.
func canonical(values []string, table map[string]string, what string) ([]string, error) {
	var names []string
	for _, value := range values {
		name, ok := table[value]
		if !ok {
			return nil, fmt.Errorf("%s %q is unknown: use one of %s", what, value, sortedValues(table))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func sortedValues(table map[string]string) string {
	var values []string
	for _, value := range table {
		values = append(values, value)
	}
	slices.Sort(values)
	return strings.Join(slices.Compact(values), ", ")
}

// canonicalCiphers is canonical for cipher suites, which may also come as
// groups of equal preference: "[A|B]".
func canonicalCiphers(values []string) ([]string, error) {
	if len(values) == 0 {
		return nil, nil
	}
	table := cipherSuites()
	var names []string
	for _, value := range values {
		group, isGroup := strings.CutPrefix(value, "[")
		if isGroup {
			group, isGroup = strings.CutSuffix(group, "]")
		}
		parts := []string{value}
		if isGroup {
			parts = strings.Split(group, "|")
		}
		for _, part := range parts {
			if strings.HasPrefix(part, "TLS_AES_") || strings.HasPrefix(part, "TLS_CHACHA20_") {
				return nil, fmt.Errorf("cipher suite %q is one of TLS 1.3, whose suites cannot be chosen: leave it out", part)
			}
		}
		checked, err := canonical(parts, table, "cipher suite")
		if err != nil {
			return nil, err
		}
		name := strings.Join(checked, "|")
		if isGroup {
			name = "[" + name + "]"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// newestVersion is offered where a policy names no maximum: as a client,
// Envoy would stop at TLS 1.2.
const newestVersion = "1.3"

// setVersions checks a range of TLS versions and fills in its ends: empty
// leaves the choice to this function.
func setVersions(tls *ir.UpstreamTLS, minimum, maximum string) error {
	for _, version := range []string{minimum, maximum} {
		if version != "" && !slices.Contains([]string{"1.0", "1.1", "1.2", "1.3"}, version) {
			return fmt.Errorf("TLS version %q is unknown: use 1.0, 1.1, 1.2 or 1.3", version)
		}
	}
	if maximum == "" {
		maximum = newestVersion
	}
	if minimum > maximum {
		return fmt.Errorf("the minimum TLS version %s is above the maximum %s", minimum, maximum)
	}
	if minimum == "" && maximum < "1.2" {
		// Envoy's default minimum would leave no version at all.
		minimum = maximum
	}
	tls.MinVersion, tls.MaxVersion = minimum, maximum
	return nil
}

// checkSuites refuses versions of TLS that none of the cipher suites is for:
// those that Envoy offers by default came with TLS 1.2.
func checkSuites(tls *ir.UpstreamTLS) error {
	if tls.MaxVersion >= "1.2" || slices.ContainsFunc(tls.CipherSuites, hasOldSuite) {
		return nil
	}
	return fmt.Errorf("TLS %s alone needs cipher suites that it has, as ECDHE-RSA-AES128-SHA: Envoy's own are of TLS 1.2", tls.MaxVersion)
}

// hasOldSuite tells whether a cipher suite, or one of a group, is older than
// TLS 1.2: their names end in the hash SHA, without a number.
func hasOldSuite(suites string) bool {
	return slices.ContainsFunc(strings.Split(strings.Trim(suites, "[]"), "|"), func(suite string) bool { return strings.HasSuffix(suite, "-SHA") })
}

// RFC 7301 gives each ALPN protocol up to 255 bytes, and all of them, each with
// its length before it, up to 65535.
const (
	maxALPN     = 255
	maxALPNList = 65535
)

// checkALPN checks protocol names. Envoy splits them at commas and would abort,
// not only reject, where that leaves an empty one.
func checkALPN(protocols []string) error {
	length := 0
	for _, protocol := range protocols {
		if len(protocol) == 0 || len(protocol) > maxALPN || !printable(protocol) || strings.Contains(protocol, ",") {
			return fmt.Errorf("ALPN protocol %q must have 1 to %d printable characters without a comma, as h2 or http/1.1", protocol, maxALPN)
		}
		length += 1 + len(protocol)
	}
	if length > maxALPNList {
		return fmt.Errorf("the %d ALPN protocols have %d bytes with their lengths: TLS has room for %d", len(protocols), length, maxALPNList)
	}
	return nil
}

// printable tells whether text is visible ASCII only.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
