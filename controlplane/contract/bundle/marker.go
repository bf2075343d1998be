package bundle

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

const htmlEscaped = "HTML-escaped, as copied from a web page"

// dashes are the hyphen and what word processors make of it.
const dashes = "-\u2010\u2011\u2012\u2013\u2014\u2212"

// marker takes a BEGIN or END line apart, as "-----BEGIN CERTIFICATE-----".
func marker(line string) (verb, label string, ok bool) {
	inner, ok := strings.CutPrefix(line, "-----")
	if !ok {
		return "", "", false
	}
	inner, ok = strings.CutSuffix(inner, "-----")
	if !ok || strings.Contains(inner, "-") {
		return "", "", false
	}
	verb, label, ok = strings.Cut(inner, " ")
	return verb, label, ok && (verb == "BEGIN" || verb == "END") && label != ""
}

// looksLikeMarker tells whether somewhere in a line dashes of some kind come
// before BEGIN or END. Comments do not count: blocks are commented out.
func looksLikeMarker(line string) bool {
	return !strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") && hasMarker(line)
}

// hasMarker is looksLikeMarker for comments too.
func hasMarker(line string) bool {
	for _, verb := range []string{"BEGIN ", "END "} {
		for rest := line; ; {
			before, after, found := strings.Cut(rest, verb)
			if !found {
				break
			}
			before = strings.TrimRight(before, " \t")
			if len(before)-len(strings.TrimRight(before, dashes)) >= 2 {
				return true
			}
			rest = after
		}
	}
	return false
}

// damagedMarker says what is wrong with a line outside of blocks, or in place
// of an END line; nil where it is just text.
func damagedMarker(number int, line string) error {
	switch {
	case !looksLikeMarker(unescape(line)):
		return strayBase64(number, line)
	case !looksLikeMarker(line):
		return &MalformedError{Line: number, Reason: "has HTML entities in place of dashes (" + htmlEscaped + ")", HTMLEscaped: true}
	}
	if _, _, indented := marker(strings.TrimLeft(line, " \t")); indented {
		return &MalformedError{Line: number, Reason: "is indented, where PEM begins at the start of the line"}
	}
	if strings.Contains(line, `\n`) {
		return &MalformedError{Line: number, Reason: `has \n, two characters, where the line should end`}
	}
	if strings.HasPrefix(line, "-----") && strings.Count(line, "-----") > 1 {
		return &MalformedError{Line: number, Reason: "goes on after the dashes: the line ends are missing"}
	}
	return &MalformedError{Line: number, Reason: "is a damaged BEGIN or END line: it should read -----BEGIN CERTIFICATE----- or -----END CERTIFICATE-----"}
}

// strayBase64 refuses a line outside of blocks that belongs into one.
func strayBase64(number int, line string) error {
	switch {
	case !looksLikeBase64(line):
		return nil
	case strings.HasPrefix(strings.TrimLeft(line, " \t"), "LS0tLS1CRUdJTi"):
		return &MalformedError{Line: number, Reason: "is base64 of PEM: it was encoded once too often"}
	}
	return &MalformedError{Line: number, Reason: "looks like base64, but no BEGIN line comes before it"}
}

// looksLikeBase64 tells whether a line is long and of base64 only. Fingerprints
// are hexadecimal, and may be in a comment.
func looksLikeBase64(line string) bool {
	const short = 48
	line = strings.TrimLeft(line, " \t")
	hexadecimal := true
	for i := range len(line) {
		if !isBase64(line[i]) && line[i] != '=' {
			return false
		}
		hexadecimal = hexadecimal && strings.IndexByte("0123456789abcdefABCDEF", line[i]) >= 0
	}
	return len(line) >= short && !hexadecimal
}

// entityAt gives the HTML entity with which a text begins, and what it stands
// for; both are empty where there is none.
func entityAt(text string) (entity, char string) {
	const longest = 12
	end := strings.IndexByte(text[:min(len(text), longest)], ';')
	if end < 0 || text[0] != '&' {
		return "", ""
	}
	entity = text[:end+1]
	if char = html.UnescapeString(entity); char == entity {
		return "", ""
	}
	return entity, char
}

// unescape undoes HTML escaping, also where it was done twice.
func unescape(line string) string {
	for range 2 {
		if !strings.Contains(line, "&") {
			break
		}
		line = html.UnescapeString(line)
	}
	return line
}

// repair undoes what people and tools do to PEM on its way: HTML escaping,
// line ends written as \n or lost, quoting, indenting, changed dashes.
func repair(lines []string) []string {
	text := unescape(strings.Join(lines, "\n"))
	text = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\r`, "\n").Replace(text)
	markers := regexp.MustCompile(`[` + dashes + `]{2,}[ \t]*(BEGIN|END) ([A-Z0-9 ]*[A-Z0-9])[ \t]*[` + dashes + `]{2,}`)
	text = markers.ReplaceAllString(text, "\n-----$1 $2-----\n")
	repaired := strings.Split(text, "\n")
	for i, line := range repaired {
		repaired[i] = strings.Trim(line, " \t\"'`,")
	}
	return repaired
}

// quote makes a block type from outside safe to print.
func quote(label string) string {
	const longest = 32
	if len(label) > longest {
		label = label[:longest]
	}
	return fmt.Sprintf("%q", label)
}
