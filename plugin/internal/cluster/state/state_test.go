package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
)

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestDirOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env          map[string]string
		driver, want string
	}{
		{map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, "local", "/s/kubectl-tlsgw/tlsgw"},
		{map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, "kind", "/s/kubectl-tlsgw/tlsgw.kind"},
		{map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, "kind", "/h/.local/state/kubectl-tlsgw/tlsgw.kind"},
	} {
		if got, err := state.DirOf(getenv(tt.env), tt.driver, "tlsgw"); err != nil || string(got) != tt.want {
			t.Errorf("DirOf(%v, %s) = %s, %v", tt.env, tt.driver, got, err)
		}
	}
	if _, err := state.DirOf(getenv(nil), "kind", "tlsgw"); err == nil || !strings.Contains(err.Error(), "HOME") {
		t.Errorf("DirOf() without HOME = %v", err)
	}
}

func TestFilesAreTheUsersAlone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, err := state.DirOf(getenv(map[string]string{"XDG_STATE_HOME": root}), "kind", "a")
	if err != nil || dir.Exists() {
		t.Fatalf("DirOf() = %v, %v", dir, err)
	}
	if err := dir.Make("sub"); err != nil {
		t.Fatal(err)
	}
	if err := dir.Write([]byte("x"), "sub", "file"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir.Path(): state.DirMode, dir.Path("sub"): state.DirMode, dir.Path("sub", "file"): state.FileMode} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
	if err := dir.Remove(); err != nil || dir.Exists() {
		t.Errorf("Remove() = %v", err)
	}
}

// One lock for both drivers, which leaves nothing behind.
func TestLock(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	env := getenv(map[string]string{"XDG_STATE_HOME": root})
	var out strings.Builder
	steps := cluster.NewSteps(&out, env, time.Now)
	release, err := state.Lock(t.Context(), env, "a", steps)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, release)
	second, err := state.Lock(t.Context(), env, "a", steps)
	if err != nil {
		t.Fatal(err)
	}
	second()
	if !strings.Contains(out.String(), "is running: waiting for it") {
		t.Errorf("the second one says %q", out.String())
	}
	if left, err := filepath.Glob(filepath.Join(root, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestSettingsAreKept(t *testing.T) {
	t.Parallel()
	dir := state.Dir(filepath.Join(t.TempDir(), "tlsgw"))
	if _, found, err := state.LoadSettings[state.Settings](dir); found || err != nil {
		t.Errorf("LoadSettings() of nothing = %v, %v", found, err)
	}
	saved := state.NewSettings(cluster.Options{HTTPPort: 81, Break: cluster.BreakCA})
	if err := state.SaveSettings(dir, saved); err != nil {
		t.Fatal(err)
	}
	loaded, found, err := state.LoadSettings[state.Settings](dir)
	if diff := cmp.Diff(saved, loaded); !found || err != nil || diff != "" {
		t.Errorf("LoadSettings() = %v, %v (-saved +loaded):\n%s", found, err, diff)
	}
	for _, damaged := range []string{"{", "{}", `{"httpPort": 81, "sample": 1}`, `{"httpPort": 81}`} {
		if err := dir.Write([]byte(damaged), "settings.json"); err != nil {
			t.Fatal(err)
		}
		loaded, found, err := state.LoadSettings[state.Settings](dir)
		if diff := cmp.Diff(state.Settings{}, loaded); !found || err == nil || diff != "" {
			t.Errorf("LoadSettings() of %s = %v, %v (-want +got):\n%s", damaged, found, err, diff)
		}
	}
}

// The context stays in the file where it was written.
func TestMergeKeepsTheKubeconfig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		asked string
		fine  bool
	}{
		"not asked": {"", true}, "the same": {"/home/config", true}, "the same, not clean": {"/home/x/../config", true}, "another": {"/other", false},
	} {
		s := state.NewSettings(cluster.Options{})
		s.Kubeconfig.Files = []string{"/home/config"}
		err := s.Merge(cluster.Options{Name: "tlsgw", Kubeconfig: tt.asked})
		if (err == nil) != tt.fine || err != nil && !strings.Contains(err.Error(), "--kubeconfig=/home/config and not "+tt.asked) {
			t.Errorf("%s: Merge() = %v", name, err)
		}
	}
}
