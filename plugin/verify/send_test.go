package verify

import "testing"

// TestExtra: where many connections are open there is room for a burst of twice
// as many requests, and never for more than the bound.
func TestExtra(t *testing.T) {
	t.Parallel()
	for open, want := range map[uint64]struct{ first, all int }{
		0: {4, 128}, 1: {5, 128}, 28: {32, 128}, 70: {74, 296}, 200: {204, 512}, 508: {512, 512}, 100000: {512, 512},
	} {
		first, all := extra(open)
		if first != want.first || all != want.all {
			t.Errorf("over %d open connections: %d requests, then %d in all; want %+v", open, first, all, want)
		}
		if all < 3*first && all < mostExtra {
			t.Errorf("over %d open connections there is no room for a burst of twice %d", open, first)
		}
	}
}
