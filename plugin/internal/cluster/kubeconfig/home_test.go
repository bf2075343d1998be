package kubeconfig

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestHome(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	plain, used, missing := filepath.Join(root, "plain"), filepath.Join(root, "used"), filepath.Join(root, "missing")
	if err := errors.Join(os.Mkdir(plain, 0o700), os.MkdirAll(filepath.Join(used, ".kube"), 0o700)); err != nil {
		t.Fatal(err)
	}
	put(t, theirs, used, ".kube", "config")
	tests := map[string]struct {
		goos string
		env  map[string]string
		want string
	}{
		"HOME":                    {goos: "darwin", env: map[string]string{"HOME": plain, "USERPROFILE": used}, want: plain},
		"nothing":                 {goos: "linux", env: map[string]string{"USERPROFILE": used}},
		"the profile":             {goos: "windows", env: map[string]string{"USERPROFILE": plain}, want: plain},
		"the profile first":       {goos: "windows", env: map[string]string{"USERPROFILE": plain, "HOMEDRIVE": root, "HOMEPATH": "/used/.kube"}, want: plain},
		"a drive and a path":      {goos: "windows", env: map[string]string{"USERPROFILE": missing, "HOMEDRIVE": root, "HOMEPATH": "/plain"}, want: plain},
		"a drive alone is none":   {goos: "windows", env: map[string]string{"HOMEDRIVE": root}},
		"where the kubeconfig is": {goos: "windows", env: map[string]string{"HOME": plain, "USERPROFILE": used}, want: used},
		"HOME, of another shell":  {goos: "windows", env: map[string]string{"HOME": plain, "USERPROFILE": root}, want: plain},
		"not there yet":           {goos: "windows", env: map[string]string{"USERPROFILE": missing}, want: missing},
		"nothing at all":          {goos: "windows"},
		"HOME is not there":       {goos: "windows", env: map[string]string{"HOME": missing, "USERPROFILE": plain}, want: plain},
	}
	for name, tt := range tests {
		if got := home(tt.goos, func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%s: home() = %q, want %q", name, got, tt.want)
		}
	}
}
