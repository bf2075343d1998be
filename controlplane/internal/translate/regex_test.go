package translate

import (
	"strings"
	"testing"
)

func TestCheckRegex(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`/v[0-9]+/.*`:           "",
		`(?i)abc|def`:           "",
		`a\\pb`:                 "",
		strings.Repeat("a", 96): "",
		strings.Repeat("a", 97): "too large: its program may have 101 instructions, of which Envoy takes 100",
		`.{48}`:                 "",
		`.{49}`:                 "too large",
		`(?s).{96}`:             "",
		`[^a-zA-Z0-9]{25}`:      "too large",
		`a{1000}{1000}`:         "not a regular expression",
		`(`:                     "not a regular expression",
		``:                      "empty",
		`/é`:                    "beyond ASCII",
		`\pL`:                   "class of Unicode",
		`[\P{Greek}]`:           "class of Unicode",
		`\C`:                    "not a regular expression",
		"\\":                    "not a regular expression",
	} {
		err := checkRegex(expression)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", expression, err, want)
		}
	}
}
