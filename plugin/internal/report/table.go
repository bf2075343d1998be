package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Style says how a table is printed.
type Style struct {
	// Wide adds columns beyond what fits 100.
	Wide bool
	// Color uses ANSI colours.
	Color bool
}

const (
	// width is what a line may take, but for -o wide and fixes.
	width = 100
	gap   = "  "
)

type column struct {
	title string
	cell  func(Result) string
}

func columns(wide bool) []column {
	all := []column{
		{"BACKEND", func(r Result) string { return r.Target.String() }},
		{"POLICY", policyCell},
		{"HANDSHAKES", handshakeCell},
		{"TLS", func(r Result) string { return tlsCell(r.TLS) }},
	}
	if wide {
		all = append(all,
			column{"GATEWAY", gatewayCell},
			column{"CLUSTER", func(r Result) string { return dash(r.Cluster) }},
			column{"SNI", func(r Result) string { return dash(r.TLS.SNI) }},
			column{"PEER", func(r Result) string { return dash(r.TLS.PeerSubject) }},
			column{"UNTIL", func(r Result) string { return dash(strings.SplitN(r.TLS.NotAfter, "T", 2)[0]) }},
		)
	}
	return all
}

// Table writes one line for each result, one block for each that failed, and
// the summary last.
func (r *Report) Table(w io.Writer, style Style) error {
	var b strings.Builder
	r.rows(&b, style)
	for _, result := range r.Results {
		result.block(&b, style)
	}
	if len(r.Results) > 0 {
		fmt.Fprintf(&b, "%d of %d verified.\n", r.Summary.Verified, len(r.Results))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// rows aligns the columns by what is seen, not by bytes: the marks and the
// colours would mislead text/tabwriter.
func (r *Report) rows(b *strings.Builder, style Style) {
	if len(r.Results) == 0 {
		return
	}
	cols := columns(style.Wide)
	widths, verdict := r.measure(cols)
	if !style.Wide && sum(widths)+verdict > width {
		// Kinds go first: names tell more.
		cols[1].cell = func(result Result) string { return result.policyName() }
		widths, verdict = r.measure(cols)
		squeeze(widths, width-verdict)
	}
	for i, c := range cols {
		b.WriteString(pad(c.title, widths[i]) + gap)
	}
	b.WriteString("VERDICT\n")
	for _, result := range r.Results {
		for i, c := range cols {
			b.WriteString(pad(shorten(c.cell(result), widths[i]), widths[i]) + gap)
		}
		b.WriteString(style.mark(result.Verdict) + "\n")
	}
}

// measure finds the widths of the columns and of the verdicts.
func (r *Report) measure(cols []column) (widths []int, verdict int) {
	widths = make([]int, len(cols))
	for i, c := range cols {
		widths[i] = runes(c.title)
		for _, result := range r.Results {
			widths[i] = max(widths[i], runes(c.cell(result)))
			verdict = max(verdict, runes(Style{}.mark(result.Verdict)))
		}
	}
	return widths, verdict
}

// sum is what columns take with the gaps after them.
func sum(widths []int) int {
	total := 0
	for _, w := range widths {
		total += w + len(gap)
	}
	return total
}

// squeeze takes from the policy's column, then from the backend's, until all
// fit. Whole names are in the blocks and in -o wide.
func squeeze(widths []int, room int) {
	total := sum(widths)
	for _, column := range []struct{ index, least int }{{1, 20}, {0, 14}} {
		take := min(total-room, widths[column.index]-column.least)
		if take > 0 {
			widths[column.index] -= take
			total -= take
		}
	}
}

// block tells what is wrong with one result, or what to know of a good one.
func (r Result) block(b *strings.Builder, style Style) {
	if r.Verdict == diagnose.Verified && len(r.Warnings) == 0 {
		return
	}
	if r.Verdict == diagnose.Verified {
		fmt.Fprintf(b, "\n! %s\n", r.Target)
	} else {
		fmt.Fprintf(b, "\n%s %s  %s\n", style.paint(red, "✗"), r.Target, style.paint(red, string(r.Verdict)))
		line(b, "", r.Message)
		line(b, "expected", r.Expected)
		line(b, "presented", r.Presented)
		line(b, "envoy", r.Envoy)
		for _, fact := range r.Evidence {
			line(b, "proof", fact)
		}
		for _, f := range r.Findings {
			line(b, "also", string(f.Code)+": "+f.Message)
		}
	}
	for _, warning := range r.Warnings {
		line(b, "warning", warning)
	}
	line(b, "likely fix", r.Hint)
}

// line writes "  label      text" within the width; the command of a fix stays
// on one line, so that it can be pasted.
func line(b *strings.Builder, label, text string) {
	const indent = 13
	if text == "" {
		return
	}
	var lines []string
	if label == "likely fix" {
		lines = fail.Lines(text, width-indent)
	} else {
		lines = wrap(text, width-indent)
	}
	if label == "" {
		for _, l := range lines {
			fmt.Fprintf(b, "  %s\n", l)
		}
		return
	}
	for i, l := range lines {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(b, "  %s%s\n", pad(label, indent-2), l)
	}
}

// wrap breaks text at spaces; runs of spaces within a line are kept.
func wrap(text string, width int) []string {
	var lines []string
	for runes(text) > width {
		all := []rune(text)
		at := strings.LastIndex(string(all[:width+1]), " ")
		if at <= 0 {
			at = len(string(all[:width]))
		}
		lines = append(lines, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s Style) mark(verdict diagnose.Code) string {
	switch {
	case verdict == diagnose.Verified:
		return s.paint(green, "✓ "+string(verdict))
	case verdict.Stage() == diagnose.StageEvidence:
		return s.paint(yellow, "✗ "+string(verdict))
	}
	return s.paint(red, "✗ "+string(verdict))
}

func (s Style) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// String is "default/nginx:8443".
func (t Target) String() string {
	if t.Port == 0 {
		return t.Namespace + "/" + t.Name
	}
	return fmt.Sprintf("%s/%s:%d", t.Namespace, t.Name, t.Port)
}

func policyCell(r Result) string {
	if r.Policy == nil {
		return "-"
	}
	return r.Policy.Kind + "/" + r.Policy.Name
}

func (r Result) policyName() string {
	if r.Policy == nil {
		return "-"
	}
	return r.Policy.Name
}

func gatewayCell(r Result) string {
	if r.Gateway == nil {
		return "-"
	}
	return r.Gateway.Namespace + "/" + r.Gateway.Name
}

func handshakeCell(r Result) string {
	h := r.Handshakes
	if len(r.Requests) == 0 && h.After == 0 {
		return "-"
	}
	text := fmt.Sprintf("%d -> %d", h.Before, h.After)
	if h.After > h.Before {
		text += fmt.Sprintf(" (+%d)", h.After-h.Before)
	}
	return text
}

func tlsCell(t TLS) string {
	if t.Version == "" {
		return "-"
	}
	return strings.TrimSpace(t.Version + " " + shortCipher(t.Cipher))
}

// shortCipher is the bulk cipher alone: the rest of the name follows from the
// certificate and the version.
func shortCipher(cipher string) string {
	plain := strings.NewReplacer("_", "", "-", "").Replace(cipher)
	for _, known := range []struct{ in, short string }{
		{"AES128GCM", "AES128-GCM"}, {"AES256GCM", "AES256-GCM"}, {"CHACHA20", "CHACHA20"},
		{"AES128", "AES128-CBC"}, {"AES256", "AES256-CBC"},
	} {
		if strings.Contains(plain, known.in) {
			return known.short
		}
	}
	return cipher
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func runes(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-runes(s))) }

// shorten keeps the end of a name: that is where names differ.
func shorten(s string, width int) string {
	all := []rune(s)
	if len(all) <= width {
		return s
	}
	return "…" + string(all[len(all)-width+1:])
}
