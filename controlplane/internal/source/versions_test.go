package source

import "testing"

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		seen, required Versions
		want           bool
	}{
		{"nothing required", Versions{}, Versions{}, true},
		{"reached", Versions{"a": "10"}, Versions{"a": "10"}, true},
		{"passed, with more digits", Versions{"a": "10"}, Versions{"a": "9"}, true},
		{"not reached, with more digits", Versions{"a": "9"}, Versions{"a": "10"}, false},
		{"one of two", Versions{"a": "10", "b": "1"}, Versions{"a": "10", "b": "2"}, false},
		{"nothing seen", Versions{}, Versions{"a": "1"}, false},
		{"what cannot be compared", Versions{"a": "10"}, Versions{"a": "x"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.seen.Covers(test.required); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRaise(t *testing.T) {
	t.Parallel()
	v := Versions{}
	for _, version := range []string{"", "9", "10", "2", ""} {
		v.raise("a", version)
	}
	if v["a"] != "10" {
		t.Errorf("got %q, want the highest", v["a"])
	}
}
