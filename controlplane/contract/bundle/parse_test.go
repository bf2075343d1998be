package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withPlus gives PEM of a certificate whose base64 has a plus sign, and the
// number of the first line that has one.
func withPlus(tb testing.TB) (text string, line int) {
	tb.Helper()
	for {
		text = encode(newCertificate(tb, "plus", epoch()))
		if i := strings.IndexByte(text, '+'); i > 0 {
			return text, 1 + strings.Count(text[:i], "\n")
		}
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	a, b := newCertificate(t, "a", epoch()), newCertificate(t, "b", epoch())
	both := encode(a, b)
	tests := map[string]struct {
		text string
		want []string
	}{
		"one":                           {encode(a), []string{"a"}},
		"two in their order":            {encode(b, a), []string{"b", "a"}},
		"a duplicate":                   {encode(a, b, a, b), []string{"a", "b"}},
		"no newline at the end":         {strings.TrimSpace(both), []string{"a", "b"}},
		"Windows line ends":             {strings.ReplaceAll(both, "\n", "\r\n"), []string{"a", "b"}},
		"old Macintosh line ends":       {strings.ReplaceAll(both, "\n", "\r"), []string{"a", "b"}},
		"white space at line ends":      {strings.ReplaceAll(both, "\n", "  \t\n"), []string{"a", "b"}},
		"empty lines around":            {"\n\n" + encode(a) + "\n\n" + encode(b) + "\n \n", []string{"a", "b"}},
		"empty lines inside":            {strings.ReplaceAll(both, "\n", "\n\n"), []string{"a", "b"}},
		"byte order mark":               {"\xef\xbb\xbf" + both, []string{"a", "b"}},
		"text between":                  {"Issuer: CN=a\n==== -- --- \n" + encode(a) + "# the END of a & the BEGIN of b\n" + encode(b) + "bye", []string{"a", "b"}},
		"a fingerprint between":         {strings.Repeat("0123456789abcdef", 4) + "\n" + encode(a), []string{"a"}},
		"a block commented out":         {"# " + strings.ReplaceAll(encode(b), "\n", "\n# ") + "\n" + encode(a), []string{"a"}},
		"body indented":                 {strings.ReplaceAll(strings.ReplaceAll(encode(a), "\n", "\n  "), "  -----", "-----"), []string{"a"}},
		"the former name of the type":   {strings.ReplaceAll(encode(a), "CERTIFICATE", "X509 CERTIFICATE"), []string{"a"}},
		"lines of another length":       {oneLineBody(encode(a)), []string{"a"}},
		"self-signed server without CA": {encode(a), []string{"a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(got.Certificates)); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
		})
	}
}

// oneLineBody puts the base64 of a single block on one line.
func oneLineBody(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[0] + "\n" + strings.Join(lines[1:len(lines)-1], "") + "\n" + lines[len(lines)-1]
}

// damage is a way to break a bundle, and what must be said about it.
type damage struct {
	text    string
	line    int
	reason  string
	escaped bool
	// repaired are the names in the repaired bundle.
	repaired []string
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := blockDamage(t)
	for name, d := range textDamage(t) {
		tests[name] = d
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(test.text))
			var malformed *MalformedError
			if got != nil || !errors.As(err, &malformed) {
				t.Fatalf("got %v, %v, want a MalformedError", got, err)
			}
			if malformed.Line != test.line || !strings.Contains(malformed.Reason, test.reason) || malformed.HTMLEscaped != test.escaped {
				t.Errorf("line %d %s (escaped %v)\nwant line %d ...%s... (escaped %v)",
					malformed.Line, malformed.Reason, malformed.HTMLEscaped, test.line, test.reason, test.escaped)
			}
			var repaired []string
			if malformed.Repaired != nil {
				repaired = names(malformed.Repaired.Certificates)
			}
			if diff := cmp.Diff(test.repaired, repaired); diff != "" {
				t.Errorf("repaired (-want +got):\n%s", diff)
			}
		})
	}
}

// textDamage is what copying and tools do.
func textDamage(t *testing.T) map[string]damage {
	t.Helper()
	plus, line := withPlus(t)
	good, plain := []string{"plus"}, "Some text\n"+plus
	return map[string]damage{
		"&#43; for +":         {strings.ReplaceAll(plus, "+", "&#43;"), line, `has "&#43;" where base64 has "+" (HTML-escaped`, true, good},
		"&#x2B; for +":        {strings.ReplaceAll(plus, "+", "&#x2B;"), line, `has "&#x2B;" where base64 has "+"`, true, good},
		"&plus; for +":        {strings.ReplaceAll(plus, "+", "&plus;"), line, `has "&plus;" where base64 has "+"`, true, good},
		"escaped twice":       {strings.ReplaceAll(plus, "+", "&amp;#43;"), line, `has "&amp;" (HTML-escaped`, true, good},
		"escaped dashes":      {strings.ReplaceAll(plus, "-", "&#45;"), 1, "has HTML entities in place of dashes", true, good},
		"escaped after text":  {strings.ReplaceAll(plain, "+", "&#43;"), line + 1, `has "&#43;"`, true, good},
		"no entity":           {strings.ReplaceAll(plus, "+", "&nosuch;"), line, `has "&", which base64 does not have`, false, nil},
		"indented":            {"  " + strings.ReplaceAll(plus, "\n", "\n  "), 1, "is indented", false, good},
		"END indented":        {strings.ReplaceAll(plus, "-----END", " -----END"), strings.Count(plus, "\n"), "is indented", false, good},
		`\n on one line`:      {strings.ReplaceAll(plus, "\n", `\n`), 1, `has \n, two characters`, false, good},
		`\n in the body`:      {strings.Replace(strings.Replace(plus, "\n", `\n`, 2), `\n`, "\n", 1), 2, `has \n, two characters`, false, good},
		"lines joined":        {strings.ReplaceAll(plus, "\n", " "), 1, "the line ends are missing", false, good},
		"quoted":              {`"` + plus + `"`, 1, "is a damaged BEGIN or END line", false, good},
		"long dashes":         {strings.ReplaceAll(plus, "-----", "\u2014\u2014-"), 1, "is a damaged BEGIN or END line", false, good},
		"a dash missing":      {strings.Replace(plus, "-----", "----", 1), 1, "is a damaged BEGIN or END line", false, good},
		"UTF-16":              {"\xff\xfe-\x00-\x00-\x00-\x00-\x00B\x00", 1, "is UTF-16", false, nil},
		"encoded twice":       {base64.StdEncoding.EncodeToString([]byte(plus)), 1, "is base64 of PEM", false, nil},
		"DER":                 {"\n" + string(newLongCertificate(t)), 2, "is binary (DER)", false, nil},
		"text only":           {"\n\nNot found.\n", 3, "without any -----BEGIN CERTIFICATE----- line", false, nil},
		"a comment only":      {"# put your CA here", 1, "without any", false, nil},
		"a web page in place": {"<!doctype html>\n<title>404</title>", 1, "without any", false, nil},
	}
}

// newLongCertificate gives DER whose length takes two bytes, as that of all
// real certificates does.
func newLongCertificate(t *testing.T) []byte {
	t.Helper()
	for {
		raw := newCertificate(t, strings.Repeat("long", 15), epoch()).Raw
		if raw[1] == 0x82 && !bytes.ContainsAny(raw[:8], "\r\n") {
			return raw
		}
	}
}

// blockDamage is what is wrong with the blocks themselves.
func blockDamage(t *testing.T) map[string]damage {
	t.Helper()
	a, b := encode(newCertificate(t, "a", epoch())), encode(newCertificate(t, "b", epoch()))
	lines := strings.SplitAfter(a, "\n")
	count := strings.Count(a, "\n")
	last := lines[count-2]
	beforeEnd := strings.Join(lines[:count-2], "")
	block := func(label string) string { return strings.ReplaceAll(a, "CERTIFICATE", label) }
	return map[string]damage{
		"no END line":            {strings.Join(lines[:count-1], ""), 1, "the end is missing", false, nil},
		"second without END":     {a + strings.Split(b, "\n-----END")[0], count + 1, "the end is missing", false, nil},
		"END missing in between": {strings.Join(lines[:count-1], "") + b, 1, "before the next begins on line", false, nil},
		"no BEGIN line":          {strings.Join(lines[1:], ""), 1, "no BEGIN line", false, nil},
		"END line alone":         {a + "-----END CERTIFICATE-----\n", count + 1, "no BEGIN line", false, nil},
		"another END":            {strings.Replace(a, "END CERTIFICATE", "END FOO", 1), count, `ends a block of type "FOO" that began as CERTIFICATE on line 1`, false, nil},
		"public key":             {a + block("PUBLIC KEY"), count + 1, `type "PUBLIC KEY"`, false, nil},
		"certificate request":    {block("CERTIFICATE REQUEST"), 1, `type "CERTIFICATE REQUEST"`, false, nil},
		"revocation list":        {block("X509 CRL"), 1, `type "X509 CRL"`, false, nil},
		"OpenSSL's own":          {block("TRUSTED CERTIFICATE"), 1, "only OpenSSL reads", false, nil},
		"a type of great length": {block(strings.Repeat("LONG", 1000)), 1, strings.Repeat("LONG", 8) + `", where`, false, nil},
		"not base64":             {beforeEnd + "!" + last + lines[count-1], count - 1, `has "!", which base64 does not have`, false, nil},
		"not ASCII":              {beforeEnd + "é" + last + lines[count-1], count - 1, `has "é"`, false, nil},
		"a character missing":    {beforeEnd + last[1:] + lines[count-1], count - 1, "characters are missing", false, nil},
		"after the padding":      {beforeEnd + "=\n" + last + lines[count-1], count, `goes on after "="`, false, nil},
		"a header":               {strings.Replace(a, "\n", "\nProc-Type: 4,ENCRYPTED\n", 1), 2, `has "-"`, false, nil},
		"a plain header":         {strings.Replace(a, "\n", "\nComment: a\n", 1), 2, "is a header", false, nil},
		"nothing inside":         {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 1, "nothing in it", false, nil},
		"no certificate inside":  {a + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", count + 1, "no certificate", false, nil},
		"lines missing":          {lines[0] + strings.Join(lines[2:], ""), 1, "no certificate", false, nil},
	}
}

func TestParseEmpty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", " \r\n\t\n", "\xef\xbb\xbf"} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrEmpty) {
			t.Errorf("Parse(%q): %v, want ErrEmpty", text, err)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0IGtleQ"
	certificate := encode(newCertificate(t, "a", epoch()))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("secret key")}))
	tests := map[string]string{
		"alone":               key,
		"after":               certificate + key,
		"before":              key + certificate,
		"after a damage":      strings.Replace(certificate, "M", "!", 1) + key,
		"PKCS 8":              strings.ReplaceAll(key, "EC PRIVATE", "PRIVATE"),
		"encrypted":           strings.ReplaceAll(key, "EC PRIVATE", "ENCRYPTED PRIVATE"),
		"HTML-escaped":        strings.ReplaceAll(key, "-", "&#45;"),
		"commented out":       certificate + "# " + strings.ReplaceAll(key, "\n", "\n# "),
		"indented":            certificate + "  " + key,
		"joined to one line":  strings.ReplaceAll(certificate+key, "\n", `\n`),
		"with a dash missing": strings.ReplaceAll(key, "-----", "----"),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(text))
			if !errors.Is(err, ErrPrivateKey) {
				t.Fatalf("got %v, want ErrPrivateKey", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

// TestErrorsQuoteLittle holds for keys under a wrong or damaged label too.
func TestErrorsQuoteLittle(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("c2VjcmV0", 8)
	for _, text := range []string{
		body,
		"-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\n" + body + "&#43;" + body + "!\n-----END CERTIFICATE-----",
		"-----BEGIN " + body + "-----\n",
	} {
		_, err := Parse([]byte(text))
		if err == nil || strings.Contains(err.Error(), body) {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
}

// FuzzParse holds that Parse never panics, names a line that exists, and that
// what it takes is read back unchanged.
func FuzzParse(f *testing.F) {
	plus, _ := withPlus(f)
	f.Add([]byte(plus))
	f.Add([]byte(strings.ReplaceAll(plus, "+", "&#43;")))
	f.Add([]byte("  " + strings.ReplaceAll(plus, "\n", "\n  ")))
	f.Add([]byte(strings.ReplaceAll(plus, "\n", `\n`)))
	f.Add([]byte("\x30\x82-----BEGIN CERTIFICATE-----\n&"))
	lineEnd := regexp.MustCompile("\r\n|\r|\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(text)
		var malformed *MalformedError
		switch {
		case errors.As(err, &malformed):
			if last := 1 + len(lineEnd.FindAll(text, -1)); malformed.Line < 1 || malformed.Line > last || malformed.Reason == "" {
				t.Fatalf("line %d of %d: %q", malformed.Line, last, malformed.Reason)
			}
			got = malformed.Repaired
		case err != nil && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrPrivateKey):
			t.Fatalf("unexpected error %v", err)
		}
		if got == nil {
			return
		}
		encoded := got.PEM()
		again, err := Parse(encoded)
		if err != nil {
			t.Fatalf("what was taken is not read back: %v", err)
		}
		if !bytes.Equal(encoded, again.PEM()) || !slices.Equal(names(got.Certificates), names(again.Certificates)) {
			t.Fatal("encoding and reading changes the bundle")
		}
	})
}
