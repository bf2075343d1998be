package verdict_test

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/verdict"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const good = `{"apiVersion":"tlsgw.dev/v1","kind":"VerifyReport",
		"results":[{"verdict":"Verified","handshakes":{"before":1,"after":2}}],"summary":{"verified":1}}`
	report, err := verdict.Parse(good)
	if err != nil || len(report.Results) != 1 || report.Summary.Verified != 1 {
		t.Fatalf("Parse() = %+v, %v", report, err)
	}
	if problems := report.Results[0].Problems(verdict.Verified); len(problems) > 0 {
		t.Errorf("a good result has problems: %q", problems)
	}
	if problems := report.Results[0].Problems("NoEndpoints"); len(problems) != 2 {
		t.Errorf("a good result in place of a bad one without words has problems %q, want 2", problems)
	}
	report.Results[0].Handshakes.After = 1
	if problems := report.Results[0].Problems(verdict.Verified); len(problems) != 1 {
		t.Errorf("a result without a handshake has problems %q, want 1", problems)
	}
	for _, bad := range []string{"", "Ready in 1s.", `{"kind":"List"}`} {
		if _, err := verdict.Parse(bad); err == nil {
			t.Errorf("Parse(%q) is no error", bad)
		}
	}
}
