package shell

import (
	"os/exec"
	"testing"
)

// TestQuote: a real shell reads back what was quoted.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "plain-1.example.com", "secret/a:ca.crt", "a b", "it's", "$(id)", "a;b&c|d", "`x`", "*", "~", "#x", `\`, "\n", "ü"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+Quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q came back as %q: %v", word, out, err)
		}
	}
	if got := Quote("secret/a:ca.crt"); got != "secret/a:ca.crt" {
		t.Errorf("a plain word is quoted: %s", got)
	}
}
