package probe

import (
	"crypto/tls"
	"strings"
)

// CipherSuites turns BoringSSL's names, as Envoy's tls_params has them, into
// numbers for a Hello; none gives those that Envoy offers by default. Names
// that Go cannot speak are left out.
func CipherSuites(names []string) []uint16 {
	if len(names) == 0 {
		names = defaultCiphers()
	}
	known := cipherNumbers()
	var ids []uint16
	for _, name := range names {
		// Brackets group ciphers of equal preference: "[A|B]".
		for one := range strings.SplitSeq(strings.Trim(name, "[]"), "|") {
			if id, ok := known[one]; ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// CipherName is BoringSSL's name of a cipher suite up to TLS 1.2, as Envoy's
// tls_params takes it; empty for any other.
func CipherName(id uint16) string {
	for name, number := range cipherNumbers() {
		if number == id {
			return name
		}
	}
	return ""
}

// defaultCiphers are what Envoy offers to a backend when its configuration
// names none ("Common TLS configuration", cipher_suites).
func defaultCiphers() []string {
	return []string{
		"[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
		"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
		"ECDHE-ECDSA-AES256-GCM-SHA384",
		"ECDHE-RSA-AES256-GCM-SHA384",
	}
}

func cipherNumbers() map[string]uint16 {
	return map[string]uint16{
		"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		"DES-CBC3-SHA":                  tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	}
}
