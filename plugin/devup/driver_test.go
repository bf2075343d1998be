package devup

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/local"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Driver local takes the place of kind only where it runs.
func TestWithoutEngine(t *testing.T) {
	t.Parallel()
	missing := fail.Failed("docker is installed, and its daemon does not answer: no pipe").WithFix("kubectl tlsgw dev-up --driver local")
	why, err := withoutEngine(&local.Driver{OS: "darwin"}, missing)
	if want := "docker is installed, and its daemon does not answer"; why != want || err != nil {
		t.Errorf("on darwin: %q, %v", why, err)
	}
	_, err = withoutEngine(&local.Driver{OS: "windows"}, missing)
	if err == nil {
		t.Fatal("driver local was taken on windows")
	}
	failure := fail.As(err)
	got := []string{failure.Error(), failure.Fix, failure.Outcome}
	want := []string{missing.Error(), "install and start Docker Desktop, then: kubectl tlsgw dev-up", "nothing was changed"}
	if diff := cmp.Diff(want, got); diff != "" || len(failure.Details) != 1 {
		t.Errorf("on windows (-want +got):\n%s%q", diff, failure.Details)
	}
}
