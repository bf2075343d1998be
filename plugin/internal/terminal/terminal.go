// Package terminal tells streams that a person sits at from others, and asks that
// person.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is tells whether a stream, in or out, is a terminal.
func Is(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) // #nosec G115 -- descriptors fit
}

// Paints tells whether what is written to a stream may have escape sequences:
// those that colour, and those that wipe a line.
func Paints(stream any, getenv func(string) string) bool {
	file, ok := stream.(*os.File)
	return ok && Is(file) && getenv("TERM") != "dumb" && obeys(file.Fd())
}
