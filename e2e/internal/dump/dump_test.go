package dump

import (
	"strings"
	"testing"
)

// What the suites make is kept, and no Secret.
func TestCommands(t *testing.T) {
	t.Parallel()
	commands, err := Commands()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{
		"gatewayclasses", "gateways", "listenersets", "httproutes", "grpcroutes", "tlsroutes", "referencegrants", "backendtlspolicies",
	} {
		if got, want := commands[kind], "get "+kind+".gateway.networking.k8s.io -A -o yaml"; got != want {
			t.Errorf("%s are kept by %q, want %q", kind, got, want)
		}
	}
	for _, kind := range []string{"backends", "backendconfigpolicies", "gatewayparameters"} {
		if got, want := commands[kind], "get "+kind+".gateway.kgateway.dev -A -o yaml"; got != want {
			t.Errorf("%s are kept by %q, want %q", kind, got, want)
		}
	}
	for _, typed := range commands {
		if strings.Contains(typed, "secrets") && strings.Contains(typed, "-o") {
			t.Errorf("Secrets are read: %s", typed)
		}
	}
}

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
