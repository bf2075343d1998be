// Package poll is how tests wait: they look again and again, with a deadline,
// and say what they saw last when it passes.
package poll

import (
	"context"
	"testing"
	"time"
)

// interval is between two looks that cost little.
const interval = 10 * time.Millisecond

// Until looks until done, and fails the test when that takes longer than
// within. What was seen last is part of the failure.
func Until(t *testing.T, within time.Duration, awaited string, look func() (done bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		done, seen := look()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s; last seen: %s", within, awaited, seen)
		case <-tick.C:
		}
	}
}

// Hold looks again and again for a while, and fails the test when it does not
// hold once.
func Hold(t *testing.T, during time.Duration, look func() (holds bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if holds, seen := look(); !holds {
			t.Fatalf("did not hold for %s: %s", during, seen)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
