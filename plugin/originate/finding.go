package originate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// finding is one thing that a check before the apply has found.
type finding struct {
	// code is what verify would call it; empty where verify has no word.
	code    diagnose.Code
	message string
	details []string
	// fix is a step as text; offer are flags to change in the command line
	// that was given, from which a fix is made.
	fix   string
	offer []string
	// why follows an offered command as a comment.
	why string
	// warning does not stop anything.
	warning bool
	// final is not overcome by --force: there is nothing to go on with.
	final bool
	// exit is the exit code; zero is fail.CodeFailed.
	exit int
}

// failure is the finding as an error.
func (f *finding) failure(c command) *fail.Error {
	err := fail.Failed("%s", f.message)
	if f.exit != 0 {
		err.Code = f.exit
	}
	err.Details = append(err.Details, f.details...)
	err.Fix = f.fixText(c)
	return err
}

func (f *finding) fixText(c command) string {
	if f.fix != "" || len(f.offer) == 0 {
		return f.fix
	}
	text := c.with(f.offer...)
	if f.why != "" {
		text += "    # " + f.why
	}
	return text
}

// print writes a finding that does not stop.
func (f *finding) print(w io.Writer, word string, c command) {
	f.printFacts(w, word)
	if fix := f.fixText(c); fix != "" {
		_, _ = fmt.Fprintf(w, "  fix: %s\n", strings.Join(fail.Lines(fix, fail.Width-7), "\n       "))
	}
}

// forced writes a finding that --force goes on in spite of.
func (f *finding) forced(w io.Writer) { f.printFacts(w, "forced") }

func (f *finding) printFacts(w io.Writer, word string) {
	_, _ = fmt.Fprintf(w, "%s: %s\n", word, f.message)
	for _, detail := range f.details {
		_, _ = fmt.Fprintf(w, "  %s\n", detail)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func withLines(err *fail.Error, lines []string) *fail.Error {
	err.Details = append(err.Details, lines...)
	return err
}
