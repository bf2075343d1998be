package release_test

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

// What Go calls a commit or a changed work tree is no release.
func TestIs(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v1.2.3": true, "v0.10.0": true, "v1.2.3-rc.1": true, "v1.2.3-alpha.12": true, "v1.2.3-beta.0": true,
		"": false, "(devel)": false, "devel": false, "devel-0123456789ab": false, "unknown": false, "latest": false,
		"1.2.3": false, "v1.2": false, "v1.2.3 ": false, "v1.2.3+dirty": false, "v1.2.3-rc.1+dirty": false, "v1.2.3-rc": false,
		"v0.0.0-20251123120000-0123456789ab": false, "v1.2.4-0.20251123120000-0123456789ab": false,
		"v1.2.3-rc.1.0.20251123120000-0123456789ab": false, "v1.2.3/../x": false,
		"v2.0.0": false, "v10.0.0": false,
	} {
		if got := release.Is(version); got != want {
			t.Errorf("Is(%q) = %v", version, got)
		}
	}
}
