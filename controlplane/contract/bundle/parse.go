package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse reads a CA bundle. Line ends may be of any system, white space may end
// lines, and text between blocks is passed over unless it looks like a damaged
// block. The error is ErrEmpty, ErrPrivateKey with its line, or a
// *MalformedError for the first line that is wrong. It takes time in
// proportion to the length of the text.
func Parse(text []byte) (*Bundle, error) {
	lines := splitLines(text)
	if line := findPrivateKey(lines); line > 0 {
		return nil, fmt.Errorf("line %d: %w", line, ErrPrivateKey)
	}
	parsed, err := parse(lines)
	var malformed *MalformedError
	if errors.As(err, &malformed) {
		if repaired, failed := parse(repair(lines)); failed == nil {
			malformed.Repaired = repaired
		}
	}
	return parsed, err
}

// splitLines cuts at \n, \r\n and \r, and takes away white space at line ends
// and a byte order mark.
func splitLines(text []byte) []string {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	unix := strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(unix, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	return lines
}

// findPrivateKey gives the number of the first line that begins a private key,
// however damaged or commented out it is, or 0.
func findPrivateKey(lines []string) int {
	for i, line := range lines {
		if line = unescape(line); strings.Contains(line, "PRIVATE") && hasMarker(line) {
			return i + 1
		}
	}
	return 0
}

// parser goes through the lines once.
type parser struct {
	found Bundle
	block *block
}

func parse(lines []string) (*Bundle, error) {
	p := &parser{}
	blank := true
	for i, line := range lines {
		blank = blank && line == ""
		if err := p.line(i+1, line); err != nil {
			return nil, err
		}
	}
	switch {
	case blank:
		return nil, ErrEmpty
	case p.block != nil:
		return nil, &MalformedError{Line: p.block.line, Reason: "begins a block that has no END line: the end is missing"}
	case len(p.found.Certificates) == 0:
		return nil, noCertificate(lines)
	}
	return Join(&p.found), nil
}

// line takes the next line.
func (p *parser) line(number int, line string) error {
	verb, label, isMarker := marker(line)
	switch {
	case !isMarker && p.block != nil && !looksLikeMarker(unescape(line)):
		return p.block.add(number, line)
	case !isMarker:
		return damagedMarker(number, line)
	case verb == "BEGIN" && p.block != nil:
		return &MalformedError{Line: p.block.line, Reason: fmt.Sprintf("begins a block that has no END line before the next begins on line %d", number)}
	case verb == "BEGIN":
		return p.begin(number, label)
	case p.block == nil:
		return &MalformedError{Line: number, Reason: "ends a block that has no BEGIN line: the beginning is missing"}
	}
	return p.end(number, label)
}

func (p *parser) begin(number int, label string) error {
	switch label {
	case pemType, "X509 CERTIFICATE":
		p.block = &block{line: number, label: label}
		return nil
	case "TRUSTED CERTIFICATE":
		return &MalformedError{Line: number, Reason: "begins a TRUSTED CERTIFICATE, which only OpenSSL reads: convert it with openssl x509 -in FILE"}
	}
	return &MalformedError{Line: number, Reason: fmt.Sprintf("begins a block of type %s, where a CA bundle has CERTIFICATE only", quote(label))}
}

func (p *parser) end(number int, label string) error {
	if label != p.block.label {
		return &MalformedError{Line: number, Reason: fmt.Sprintf("ends a block of type %s that began as %s on line %d", quote(label), p.block.label, p.block.line)}
	}
	certificate, err := p.block.certificate()
	if err != nil {
		return err
	}
	p.found.Certificates = append(p.found.Certificates, certificate)
	p.block = nil
	return nil
}

// noCertificate says what a text without any block may be.
func noCertificate(lines []string) error {
	number := 1 + slices.IndexFunc(lines, func(line string) bool { return line != "" })
	reason := "begins a text without any -----BEGIN CERTIFICATE----- line"
	switch first := lines[number-1]; {
	case strings.HasPrefix(first, "\x30\x82"):
		reason = "is binary (DER), where a CA bundle is PEM: convert it with openssl x509 -inform der -in FILE"
	case strings.HasPrefix(first, "\xff\xfe"), strings.HasPrefix(first, "\xfe\xff"):
		reason = "is UTF-16 text, where PEM is ASCII: save it as UTF-8"
	}
	return &MalformedError{Line: number, Reason: reason}
}
