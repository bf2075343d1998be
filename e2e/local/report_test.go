//go:build e2e

package local

import (
	"slices"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/verdict"
)

// verify runs verify -o json in a namespace.
func (s *suite) verify(t *testing.T, namespace string, args ...string) (verdict.Report, devcluster.Result) {
	t.Helper()
	ran := s.Run(t.Context(), slices.Concat([]string{"verify", "-n", namespace, "-o", "json"}, args)...)
	report, err := verdict.Parse(ran.Stdout)
	if err != nil {
		t.Fatalf("%v\n%s", err, ran)
	}
	return report, ran
}

// wantVerdict verifies one target, of which there is one policy, and returns
// its result.
func (s *suite) wantVerdict(t *testing.T, namespace, target, want string, more ...string) verdict.Result {
	t.Helper()
	got, ran := s.verify(t, namespace, append([]string{target}, more...)...)
	if len(got.Results) != 1 {
		t.Fatalf("verify %s has %d results, want 1\n%s", target, len(got.Results), ran)
	}
	one, code := got.Results[0], verdict.ExitCode(want)
	for _, problem := range one.Problems(want) {
		t.Errorf("verify %s: %s\n%s", target, problem, ran)
	}
	if ran.Code != code || got.Summary.Failed != code || got.Summary.Verified != 1-code {
		t.Errorf("verify %s: exit code %d and the summary %+v do not fit one %s", target, ran.Code, got.Summary, want)
	}
	return one
}
