package kind

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// A fix speaks to this cluster, and to one that is still there.
func TestFixesOfClustersThatGo(t *testing.T) {
	t.Parallel()
	dir := state.Dir(t.TempDir())
	own := dir.Path(kubeconfigFile)
	u := &up{place: &place{name: "dev", dir: dir}, options: cluster.Options{Name: "dev", Image: "x:1"}}
	for fix, want := range map[string]string{
		"kubectl describe pods -n a":    "kubectl tlsgw dev-up --driver kind --name dev --image x:1 --retain    # then look: kubectl --kubeconfig " + own + " describe pods -n a",
		"kubectl tlsgw dev-up --retain": "kubectl tlsgw dev-up --retain",
		"docker system df":              "docker system df",
		"":                              "",
	} {
		if got := fail.As(u.retained(u.aimed(fail.Failed("no").WithFix("%s", fix)))).Fix; got != want {
			t.Errorf("%q became %q, want %q", fix, got, want)
		}
	}
	u.found = true
	for _, want := range []string{"kubectl --context kind-dev logs x", "kubectl --kubeconfig " + own + " logs x"} {
		if got := fail.As(u.aimed(fail.Failed("no").WithFix("kubectl logs x"))).Fix; got != want {
			t.Errorf("of a cluster that is there: %q, want %q", got, want)
		}
		if err := os.WriteFile(own, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain := errors.New("plain")
	if got := u.aimed(plain); !errors.Is(got, plain) || fail.As(got).Fix != "" {
		t.Errorf("an error without a fix became %v", got)
	}
}

// The lines are what stat prints: free blocks, their size, free files, all files.
func TestIsSpent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stats string
		want  bool
	}{
		"room":           {"25000000 4096 6000000 6500000\n25000000 4096 6000000 6500000\n", false},
		"no block":       {"0 4096 6000000 6500000\n25000000 4096 6000000 6500000\n", true},
		"the second":     {"25000000 4096 6000000 6500000\n1000 4096 6000000 6500000\n", true},
		"no file":        {"25000000 4096 0 6500000\n", true},
		"uncounted":      {"25000000 4096 0 0\n", false},
		"not understood": {"stat: cannot read\n", false},
		"nothing":        {"", false},
	} {
		if got := isSpent(tt.stats); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What somebody else has made meanwhile is left alone, and so is what this
// machine knew before.
func TestYield(t *testing.T) {
	t.Parallel()
	for _, said := range []string{
		`node(s) already exist for a cluster with the name "dev"`,
		`docker: Error response from daemon: Conflict. The container name "/dev-control-plane" is already in use by container "0".`,
	} {
		for _, known := range []bool{false, true} {
			root := t.TempDir()
			before := newSettings(cluster.Options{HTTPPort: 81})
			u := &up{
				place:    &place{name: "dev", dir: state.Dir(filepath.Join(root, "dev")), engine: &Engine{Name: "nothing"}, known: known, settings: before},
				settings: newSettings(cluster.Options{HTTPPort: 82}), options: cluster.Options{Name: "dev"}, made: true,
			}
			u.provider = u.engine.provider(quiet{})
			if err := state.SaveSettings(u.dir, u.settings); err != nil {
				t.Fatal(err)
			}
			err := u.giveUp(t.Context(), u.explainCreate(t.Context(), errors.New(said)))
			failure := fail.As(err)
			if !strings.Contains(failure.Error(), "dev-up did not make it") || !strings.Contains(failure.Fix, "--name dev-dev") || failure.Outcome != "nothing was changed" {
				t.Errorf("%+v", failure)
			}
			after, found, err := state.LoadSettings[settings](u.dir)
			if err != nil || found != known || known && after.HTTPPort != 81 {
				t.Errorf("known %v: the settings are %+v, %v, %v", known, after, found, err)
			}
		}
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	got := logLines("kubelet", "one\n\n"+strings.Repeat("x", 400)+"\n")
	if len(got) != 2 || got[0] != "kubelet: one" || !strings.HasSuffix(got[1], "x…") || len([]rune(got[1])) != nodeLogWidth+len("kubelet: ") {
		t.Errorf("got %q", got)
	}
}
