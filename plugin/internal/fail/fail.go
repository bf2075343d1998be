// Package fail gives an error the exit code and the next step that a person
// needs. A verb returns such an error; the root command prints it once.
package fail

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The exit codes of every verb.
const (
	// CodeFailed: something is not as it should be, or was not done.
	CodeFailed = 1
	// CodeUsage: wrong flags, names or combinations of them.
	CodeUsage = 2
	// CodeUnreachable: the cluster, the gateway or Envoy could not be reached.
	CodeUnreachable = 3
)

// Error is an error with an exit code. Its parts print as
//
//	error: <Err>
//	  <each Detail>
//	  fix: <Fix>
//	<Outcome>
type Error struct {
	Code int
	Err  error
	// Details are further facts, one line each.
	Details []string
	// Fix is one command or step that likely helps.
	Fix string
	// Outcome says what was (not) changed.
	Outcome string
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Usage is a CodeUsage error.
func Usage(format string, args ...any) *Error {
	return &Error{Code: CodeUsage, Err: fmt.Errorf(format, args...)}
}

// Failed is a CodeFailed error.
func Failed(format string, args ...any) *Error {
	return &Error{Code: CodeFailed, Err: fmt.Errorf(format, args...)}
}

// Unreachable is a CodeUnreachable error.
func Unreachable(format string, args ...any) *Error {
	return &Error{Code: CodeUnreachable, Err: fmt.Errorf(format, args...)}
}

// Interrupted is a CodeFailed error for what ended because somebody asked for
// that, as by Ctrl-C. The cause stays in it, and is not printed.
func Interrupted(cause error) *Error {
	return &Error{Code: CodeFailed, Err: interrupted{cause}}
}

type interrupted struct{ cause error }

func (interrupted) Error() string { return "interrupted" }

func (i interrupted) Unwrap() error { return i.cause }

// WithFix sets the next step.
func (e *Error) WithFix(format string, args ...any) *Error {
	e.Fix = fmt.Sprintf(format, args...)
	return e
}

// WithDetail adds a line of facts.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Details = append(e.Details, fmt.Sprintf(format, args...))
	return e
}

// WithOutcome says what was (not) changed.
func (e *Error) WithOutcome(outcome string) *Error {
	e.Outcome = outcome
	return e
}

// Width is how many columns a line may have.
const Width = 100

// Lines is a fix as it is printed: a comment after the command gets a line of
// its own where both do not fit into width.
func Lines(fix string, width int) []string {
	command, comment, found := strings.Cut(fix, "    # ")
	if !found || utf8.RuneCountInString(fix) <= width {
		return []string{fix}
	}
	return []string{command, "# " + comment}
}

// Code is the exit code of err: 0 for nil, CodeFailed where none is given.
func Code(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeFailed
}

// As is err as an *Error, which it may be already; else a CodeFailed one. err
// must not be nil.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Failed("%w", err)
}

// ErrSilent is returned by a verb that has already printed its verdict, so
// that only the exit code is left: wrap it in an Error.
var ErrSilent = errors.New("already reported")
