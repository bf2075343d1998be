// Package terminal tells streams that a person sits at from others.
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
