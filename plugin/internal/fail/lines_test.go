package fail

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLines: the command stays whole, so that it can be pasted.
func TestLines(t *testing.T) {
	t.Parallel()
	for fix, want := range map[string][]string{
		"do this    # why":                {"do this    # why"},
		"do this and that    # or not so": {"do this and that", "# or not so"},
		"do this without any explanation": {"do this without any explanation"},
	} {
		if diff := cmp.Diff(want, Lines(fix, 20)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	err := Interrupted(fmt.Errorf("get x: %w", context.Canceled))
	if err.Error() != "interrupted" || Code(err) != CodeFailed || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, code %d", err, Code(err))
	}
}
