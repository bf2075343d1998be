package v1alpha1

import (
	"testing"
	"time"
)

func TestDurationParse(t *testing.T) {
	t.Parallel()
	for d, want := range map[Duration]time.Duration{
		"0s":                       0,
		"1500ms":                   1500 * time.Millisecond,
		"1m30s":                    90 * time.Second,
		"99999h99999h99999h99999h": 4 * 99999 * time.Hour,
	} {
		if got, err := d.Parse(); err != nil || got != want {
			t.Errorf("%q is %v, %v, want %v", d, got, err, want)
		}
	}
	for _, d := range []Duration{"", "5", "5d"} {
		if got, err := d.Parse(); err == nil {
			t.Errorf("%q is %v, want an error", d, got)
		}
	}
}
