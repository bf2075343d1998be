package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// big has n Gateways that each reject r things at length.
func big(n, r int) Report {
	report := Report{}
	for i := range n {
		g := Gateway{Namespace: "namespace", Name: fmt.Sprintf("gateway-%d", i), UID: strings.Repeat("u", 36), Connected: 1}
		for j := range r {
			g.Rejections = append(g.Rejections, Rejection{
				TypeURL: "cluster", Resources: []string{fmt.Sprintf("resource-%d", j)}, Message: strings.Repeat("long ", 400),
			})
		}
		report.Gateways = append(report.Gateways, g)
	}
	return report
}

func TestAReportComesBack(t *testing.T) {
	t.Parallel()
	want := Report{Gateways: []Gateway{
		{Namespace: "a", Name: "b", UID: "uid", Generation: 2, Connected: 3, Answered: true},
		{Namespace: "a", Name: "c", UID: "uid", Connected: 1, Rejections: []Rejection{{TypeURL: "t", Resources: []string{"r"}, Message: "m"}}},
	}}
	text, err := Report{Gateways: []Gateway{want.Gateways[1], want.Gateways[0]}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(text)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAReportIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ gateways, rejections int }{{1, 100}, {300, 2}, {300, 20}, {1000, 5}} {
		report := big(size.gateways, size.rejections)
		text, err := report.encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > maxBytes {
			t.Errorf("%+v: %d bytes", size, len(text))
		}
		got, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Gateways) != size.gateways {
			t.Fatalf("%+v: %d Gateways are left", size, len(got.Gateways))
		}
		for _, g := range got.Gateways {
			if len(g.Rejections) == 0 {
				t.Fatalf("%+v: %s does not say that it rejects anything", size, g.Name)
			}
			last := g.Rejections[len(g.Rejections)-1].Message
			if len(g.Rejections) < size.rejections && !strings.Contains(last, "more rejections") {
				t.Fatalf("%+v: %s does not say that something is left out: %s", size, g.Name, last)
			}
		}
	}
	if _, err := big(10000, 0).encode(); err == nil || !strings.Contains(err.Error(), "more than an object can have") {
		t.Errorf("a report that has no room at all: %v", err)
	}
}

func TestCutTextsSaySo(t *testing.T) {
	t.Parallel()
	if got := shortened(strings.Repeat("ä", 100), 50); len(got) > 50 || !strings.HasSuffix(got, cut) || strings.Contains(got, "\ufffd") {
		t.Errorf("%q", got)
	}
	if got := shortened("short", 50); got != "short" {
		t.Errorf("%q", got)
	}
}
