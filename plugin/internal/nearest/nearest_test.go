package nearest

import "testing"

func TestName(t *testing.T) {
	t.Parallel()
	names := []string{"https", "metrics", "nginx"}
	for word, want := range map[string]string{"htps": "https", "ngnix": "nginx", "metric": "metrics", "zzz": "", "database": ""} {
		if got := Name(word, names); got != want {
			t.Errorf("Name(%s) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"htps", "https", 1}, {"http", "https", 1}, {"kitten", "sitting", 3}, {"abc", "", 3}} {
		if got := distance(test.a, test.b); got != test.want || distance(test.b, test.a) != test.want {
			t.Errorf("%s, %s: %d", test.a, test.b, got)
		}
	}
}
