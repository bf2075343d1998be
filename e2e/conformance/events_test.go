package main

import (
	"strings"
	"testing"
)

// The events of a test come together, at its end; those of a skipped one do
// not come, and those of one that never ended come last.
func TestFilter(t *testing.T) {
	t.Parallel()
	const in = `{"Action":"start"}
{"Action":"run","Test":"T"}
{"Action":"run","Test":"T/a"}
{"Action":"run","Test":"T/b"}
{"Action":"run","Test":"T/b/sub"}
{"Action":"run","Test":"T/c"}
{"Action":"skip","Test":"T/c"}
{"Action":"fail","Test":"T/b/sub"}
{"Action":"pass","Test":"T/a"}
{"Action":"run","Test":"T/d"}
{"Action":"output","Test":"T/d","Output":"not ended"}
{"Action":"fail","Test":"T/b"}
{"Action":"fail","Test":"T"}
no event`
	const want = `{"Action":"start"}
{"Action":"run","Test":"T"}
{"Action":"run","Test":"T/a"}
{"Action":"pass","Test":"T/a"}
{"Action":"run","Test":"T/b"}
{"Action":"run","Test":"T/b/sub"}
{"Action":"fail","Test":"T/b/sub"}
{"Action":"fail","Test":"T/b"}
{"Action":"fail","Test":"T"}
no event{"Action":"run","Test":"T/d"}
{"Action":"output","Test":"T/d","Output":"not ended"}
`
	var out, whole strings.Builder
	got, err := filter(strings.NewReader(in), &out, &whole)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("filter() wrote\n%s\nwant\n%s", out.String(), want)
	}
	if whole.String() != "not ended" {
		t.Errorf("the whole log is %q", whole.String())
	}
	if *got != (counts{passed: 1, failed: 1, skipped: 1}) {
		t.Errorf("filter() = %+v", *got)
	}
}

// Of HTTPRoute and TLS to backends there are 28 extended features, of Gateway 10,
// of TLSRoute 2 and of GRPCRoute 1; 5 are core.
func TestFeatureList(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]int{everyone: 46, core: 10, "A,B": 2} {
		if got := strings.Split(featureList(choice), ","); len(got) != want {
			t.Errorf("featureList(%s) has %d features: %v", choice, len(got), got)
		}
	}
	if got := featureList(published); got != "" {
		t.Errorf("featureList(published) = %q", got)
	}
}
