package dump

import (
	"strings"
	"testing"
)

func TestKeysAreTakenOut(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0"
	for name, text := range map[string]string{
		"PEM":       "a\n-----BEGIN EC PRIVATE KEY-----\n" + secret + "\n-----END EC PRIVATE KEY-----\nb",
		"escaped":   `a "-----BEGIN PRIVATE KEY-----\n` + secret + `\n-----END PRIVATE KEY-----\n" b`,
		"cut off":   "a b\n-----BEGIN PRIVATE KEY-----\n" + secret,
		"of Envoy":  "a \"private_key\": {\n  \"inline_bytes\": \"" + secret + "\"\n} b",
		"of Envoy2": `a "private_key": {"inline_string": "` + secret + `"} b`,
	} {
		got := withoutKeys(text)
		if strings.Contains(got, secret) || !strings.Contains(got, "a") || !strings.Contains(got, "b") {
			t.Errorf("%s: withoutKeys() = %q", name, got)
		}
	}
}
