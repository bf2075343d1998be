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

// TestQuotedWords: what is read by people is quoted where it has to be.
func TestQuotedWords(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"a.b/c:1": "a.b/c:1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "*.a": "'*.a'"} {
		if got := Quote(word); got != want {
			t.Errorf("Quote(%q) = %s, want %s", word, got, want)
		}
	}
}
