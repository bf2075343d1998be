package envoy

import (
	"errors"
	"testing"
)

func TestGuardedTurnsAPanicIntoAnError(t *testing.T) {
	t.Parallel()
	var missing *builder
	if _, err := guarded(func() (int, error) { return len(missing.problems), nil }); !errors.Is(err, errDefect) {
		t.Errorf("a panic gave %v", err)
	}
	if out, err := guarded(func() (int, error) { return 1, nil }); out != 1 || err != nil {
		t.Errorf("got %d, %v", out, err)
	}
}
