package kind

import (
	"errors"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// TestPreload: what to do names the image, and keeps a cluster to load it into.
func TestPreload(t *testing.T) {
	t.Parallel()
	const load = "podman save registry.example/x:1 | podman exec -i dev-control-plane ctr -n k8s.io images import -"
	missing := fail.Failed("wait: %w", &kube.UnreachableError{Image: "registry.example/x:1"})
	for name, c := range map[string]struct {
		up   up
		want string
	}{
		"new":      {up{options: cluster.Options{NoSample: true}}, "kubectl tlsgw dev-up --driver kind --name dev --no-sample --retain    # then " + load + ", and dev-up again; "},
		"retained": {up{options: cluster.Options{Retain: true}}, load + "    # then dev-up again; "},
		"found":    {up{found: true}, load + "    # then dev-up again; "},
	} {
		c.up.place = &place{name: "dev", dir: state.Dir(t.TempDir()), engine: &Engine{Name: "podman"}}
		c.up.options.Name = "dev"
		fix := fail.As(c.up.withPreload(missing)).Fix
		if !strings.HasPrefix(fix, c.want) || !strings.Contains(fix, "mirror") || !strings.Contains(fix, `"Without a container registry" in the README`) {
			t.Errorf("%s: fix is %q", name, fix)
		}
	}
	other := errors.New("other")
	if err := (&up{}).withPreload(other); !errors.Is(err, other) || fail.As(err).Fix != "" {
		t.Errorf("another error became %v", err)
	}
	if err := (&up{}).withPreload(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}
