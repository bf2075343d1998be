package bundle

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// block is a PEM block whose END line has not been seen yet.
type block struct {
	// line is the number of the BEGIN line, last that of the last line added.
	line, last int
	label      string
	body       strings.Builder
	padded     bool
}

// add takes a line of base64.
func (b *block) add(number int, line string) error {
	for i := range len(line) {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			continue
		case c == '=':
			b.padded = true
		case !isBase64(c):
			return foreign(number, line, i)
		case b.padded:
			return &MalformedError{Line: number, Reason: "goes on after \"=\", which ends base64"}
		}
		b.body.WriteByte(c)
		b.last = number
	}
	return nil
}

// certificate decodes what was added.
func (b *block) certificate() (*x509.Certificate, error) {
	if b.body.Len() == 0 {
		return nil, &MalformedError{Line: b.line, Reason: "begins a block with nothing in it"}
	}
	der, err := base64.StdEncoding.DecodeString(b.body.String())
	if err != nil {
		// Every character is legal, so it can only be their number.
		return nil, &MalformedError{Line: b.last, Reason: "ends base64 in the middle: characters are missing or doubled"}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &MalformedError{Line: b.line, Reason: fmt.Sprintf("begins a block that is no certificate (%v)", err)}
	}
	if err := CheckEncoding(certificate); err != nil {
		return nil, &MalformedError{Line: b.line, Reason: fmt.Sprintf("begins a certificate that Envoy does not take (%v)", err)}
	}
	return certificate, nil
}

// foreign says what is at line[i], which is not base64.
func foreign(number int, line string, i int) error {
	if entity, char := entityAt(line[i:]); entity != "" {
		where := ""
		if len(char) == 1 && (isBase64(char[0]) || char == "=") {
			where = fmt.Sprintf(" where base64 has %q", char)
		}
		return &MalformedError{
			Line:        number,
			Reason:      fmt.Sprintf("has %q%s (%s)", entity, where, htmlEscaped),
			HTMLEscaped: true,
		}
	}
	if strings.HasPrefix(line[i:], `\n`) || strings.HasPrefix(line[i:], `\r`) {
		return &MalformedError{Line: number, Reason: fmt.Sprintf("has %s, two characters, where the line should end", line[i:i+2])}
	}
	if line[i] == ':' {
		return &MalformedError{Line: number, Reason: "is a header inside a block, which certificates do not have"}
	}
	char := []rune(line[i:])[0]
	return &MalformedError{Line: number, Reason: fmt.Sprintf("has %q, which base64 does not have", string(char))}
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
