package terminal_test

import (
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
