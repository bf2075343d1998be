package kind

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An engine that hangs is not waited for, and an interrupted question is not
// the engine's fault.
func TestEngineThatHangs(t *testing.T) {
	t.Parallel()
	engine := &Engine{Name: "sleep"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := engine.run(ctx, "60")
	if err := engine.explain(ctx, err, linux); err == nil || !strings.Contains(err.Error(), "does not answer within") {
		t.Errorf("explain() = %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = engine.run(ctx, "60")
	if err := engine.explain(ctx, err, linux); !errors.Is(err, context.Canceled) {
		t.Errorf("explain() = %v", err)
	}
}

func TestNoEngine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for chosen, want := range map[string]string{"": "no docker, nerdctl or podman", "podman": "PATH has no podman"} {
		_, err := Detect(t.Context(), func(name string) string {
			if name == envProvider {
				return chosen
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Detect() = %v, want %q", err, want)
		}
	}
}

// A program of the name docker that is Podman's is passed over.
func TestPodmanInDockersClothes(t *testing.T) {
	dir := t.TempDir()
	echo, err := exec.LookPath("echo")
	if err != nil {
		t.Fatal(err)
	}
	link(t, echo, filepath.Join(dir, "docker"))
	t.Setenv("PATH", dir)
	// echo prints "-v", which does not begin with Docker's name.
	_, err = Detect(t.Context(), func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "no container engine is installed") {
		t.Errorf("Detect() = %v", err)
	}
}

func TestQualified(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx":                    "docker.io/library/nginx",
		"kindest/node:v1":          "docker.io/kindest/node:v1",
		"docker.io/kindest/node":   "docker.io/kindest/node",
		"localhost/a/b":            "localhost/a/b",
		"registry:5000/a":          "registry:5000/a",
		"ghcr.io/tlsgw/x@sha256:0": "ghcr.io/tlsgw/x@sha256:0",
	} {
		if got := (&Engine{Name: "podman"}).qualified(ref); got != want {
			t.Errorf("qualified(%s) = %s, want %s", ref, got, want)
		}
		if got := (&Engine{Name: "docker"}).qualified(ref); got != ref {
			t.Errorf("docker knows %s as %s", ref, got)
		}
	}
}

func TestPullReason(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"Error response from daemon: manifest for x:y not found: manifest unknown\n":          "manifest for x:y not found: manifest unknown",
		"Trying to pull docker.io/x...\nError: initializing source: reading manifest: denied": "initializing source: reading manifest: denied",
		"": "exit status 125",
	} {
		if got := pullReason(&commandError{output: said, err: errors.New("exit status 125")}); got != want {
			t.Errorf("pullReason(%q) = %q, want %q", said, got, want)
		}
	}
}
