package bundle

import (
	"errors"
	"fmt"
)

// ErrEmpty is the error for a bundle with nothing in it but white space.
var ErrEmpty = errors.New("is empty")

// ErrPrivateKey is the error for a bundle with a private key in it. Bundles
// are public, and are copied to places that are; no error repeats the key.
var ErrPrivateKey = errors.New("holds a private key, which has no place in a CA bundle")

// MalformedError says why a text is not a CA bundle. Its message, and Reason,
// read on from the name of what holds the text, as in "line 5 has ...". It
// quotes no more than a character or the name of a block.
type MalformedError struct {
	// Line is where it goes wrong, counted from 1.
	Line int
	// Reason says what is wrong with that line.
	Reason string
	// HTMLEscaped is true where the line has an HTML entity, as "&#43;" for
	// "+": the text was copied out of a web page's source.
	HTMLEscaped bool
	// Repaired is what the text most likely was before it was damaged by
	// escaping, indenting or lost line ends; nil where that does not help.
	Repaired *Bundle
}

// Error gives the line and the reason.
func (e *MalformedError) Error() string { return fmt.Sprintf("line %d %s", e.Line, e.Reason) }
