package devcluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	objects, err := devcluster.Decode(`
# only a comment
---
kind: Service
metadata: {name: "${NAME}"}
---
kind: Namespace
metadata: {name: other}
`, map[string]string{"NAME": "app"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range objects {
		names = append(names, devcluster.Name(object))
	}
	if diff := cmp.Diff([]string{"Service default/app", "Namespace other"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"metadata: {name: ${NAME}}": "${NAME} has no value",
		"kind: [":                   "document 1",
	} {
		if _, err := devcluster.Decode(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%q) = %v, want %q in it", text, err, want)
		}
	}
}

// cluster is one whose binary is a script.
func cluster(t *testing.T, script string) *devcluster.Cluster {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "plugin")
	write(t, binary, "#!/bin/sh\n"+script)
	if err := os.Chmod(binary, 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := devcluster.New(t.Context(), devcluster.Options{Binary: binary, Name: "test", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	c := cluster(t, `cat; echo "$1 $KUBECONFIG" >&2; exit 3`)
	got := c.RunWith(t.Context(), "typed", "verify")
	if got.Stdout != "typed" || got.Stderr != "verify "+c.Kubeconfig()+"\n" || got.Code != 3 {
		t.Errorf("Run() = %s", got)
	}
	c.Binary = filepath.Join(c.Dir, "missing")
	if got := c.Run(t.Context(), "verify"); got.Code != -1 || !strings.Contains(got.Stderr, "missing") {
		t.Errorf("Run() of a missing binary = %s", got)
	}
	if c.HTTPPort == c.AdminPort || c.HTTPPort == 0 || c.AdminPort == 0 {
		t.Errorf("ports are %d and %d", c.HTTPPort, c.AdminPort)
	}
}

func TestStateIsRead(t *testing.T) {
	t.Parallel()
	c := cluster(t, "")
	if parts, err := c.Parts(); len(parts) > 0 || err != nil {
		t.Errorf("Parts() without a cluster = %v, %v", parts, err)
	}
	state := filepath.Join(c.StateHome(), "kubectl-tlsgw", "test")
	write(t, filepath.Join(state, "run", "envoy.json"), `{"pid": 7, "argv": ["envoy"]}`)
	write(t, filepath.Join(state, "settings.json"), `{"httpPort": 1}`)
	write(t, filepath.Join(state, "log", "envoy.log"), strings.Repeat("starting\n", 100)+"ready\n")
	write(t, filepath.Join(state, "log", "controller.log"), "panic: no\n")

	parts, err := c.Parts()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]devcluster.Part{"envoy": {Name: "envoy", PID: 7}}, parts); diff != "" {
		t.Errorf("Parts() (-want +got):\n%s", diff)
	}
	logs, err := c.Logs()
	if err != nil || strings.Count(logs["envoy.log"], "\n") > 20 || !strings.HasSuffix(logs["envoy.log"], "ready") {
		t.Errorf("Logs() = %q, %v", logs, err)
	}
	crashes, err := c.Crashes()
	if err != nil || !cmp.Equal(crashes, []string{"controller.log: panic: no"}) {
		t.Errorf("Crashes() = %q, %v", crashes, err)
	}
}

func TestGuardTakesTheClusterDown(t *testing.T) {
	t.Parallel()
	c := cluster(t, `echo "$@" > "$XDG_STATE_HOME.down"`)
	guard, err := c.Guard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	guard.Abandon()
	down, err := os.ReadFile(c.StateHome() + ".down")
	if want := "dev-down --driver local --name test\n"; err != nil || string(down) != want {
		t.Errorf("the guard ran %q, %v; want %q", down, err, want)
	}
}

// Kubectl finds the plugin on PATH: the one under test, whatever else is
// there.
func TestRunThroughKubectl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kubectl, plugin := filepath.Join(dir, "kubectl"), filepath.Join(dir, "plugins", "kubectl-tlsgw")
	for path, script := range map[string]string{kubectl: `verb=$1; shift; exec "kubectl-$verb" "$@"`, plugin: `echo "$@"`} {
		write(t, path, "#!/bin/sh\n"+script)
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := devcluster.New(t.Context(), devcluster.Options{
		Binary: plugin, Kubectl: kubectl, Driver: devcluster.Kind, Name: "test", Dir: dir, HTTPPort: 8080,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Down(t.Context()).Stdout, "dev-down --driver kind --name test\n"; got != want {
		t.Errorf("Down() ran %q, want %q", got, want)
	}
	want := []string{"dev-up", "--driver", "kind", "--name", "test", "--http-port", "8080"}
	if diff := cmp.Diff(want, c.UpArgs()); diff != "" {
		t.Errorf("UpArgs() (-want +got):\n%s", diff)
	}
}

// The plugin is under the name by which kubectl finds it, wherever it is from.
func TestPlugin(t *testing.T) {
	given := filepath.Join(t.TempDir(), "given")
	write(t, given, "x")
	t.Setenv("TLSGW_BINARY", given)
	dir := t.TempDir()
	for range 2 { // again in the folder of a cluster that was kept
		path, err := devcluster.Plugin(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "x" || filepath.Base(path) != "kubectl-tlsgw" {
			t.Errorf("Plugin() is %s with %q, %v", path, text, err)
		}
	}
}
