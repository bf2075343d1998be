package terminal_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

func TestIs(t *testing.T) {
	t.Parallel()
	// The master of a new pseudo terminal is one, too.
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pty.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if !terminal.Is(pty) {
		t.Error("a pseudo terminal is none")
	}
	for name, stream := range map[string]any{"a device": null, "a reader": strings.NewReader(""), "nothing": nil} {
		if terminal.Is(stream) {
			t.Errorf("%s is a terminal", name)
		}
	}
	for term, want := range map[string]bool{"": true, "xterm": true, "dumb": false} {
		getenv := func(string) string { return term }
		if got := terminal.Paints(pty, getenv); got != want {
			t.Errorf("with TERM=%q, Paints() of a pseudo terminal is %v", term, got)
		}
		if terminal.Paints(null, getenv) {
			t.Error("a device is painted")
		}
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{"y\n": true, " YES \n": true, "yes": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		var shown strings.Builder
		got, err := terminal.Ask(t.Context(), strings.NewReader(typed), &shown, "Sure? ")
		if err != nil || got != want || shown.String() != "Sure? " {
			t.Errorf("%q: got %v, %v, shown %q", typed, got, err, shown.String())
		}
	}
}

// TestAskIsInterrupted: nobody answers, and Ctrl-C does end it.
func TestAskIsInterrupted(t *testing.T) {
	t.Parallel()
	silent, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if agreed, err := terminal.Ask(ctx, silent, io.Discard, "Sure? "); agreed || !errors.Is(err, context.Canceled) || err.Error() != "interrupted" {
		t.Errorf("got %v, %v", agreed, err)
	}
}
