package kind

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// What engines say was recorded from Docker 20.10 and 28, Podman 4 and nerdctl
// 2.
func TestEngineIsExplained(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name, said string
		want, fix  string
	}{
		"daemon down": {
			name: "docker", said: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
			want: "docker is installed, and its daemon does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
			fix:  "systemctl start docker",
		},
		"daemon down, as of 29": {
			name: "docker", said: "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
			want: "its daemon does not answer: failed to connect",
			fix:  "--driver local",
		},
		"no permission": {
			name: "docker",
			said: `permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version": dial unix /var/run/docker.sock: connect: permission denied`,
			want: "docker runs, and you may not use it: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
			fix:  "usermod -aG docker",
		},
		"podman machine": {
			name: "podman", said: "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`\nError: unable to connect",
			want: "podman is installed, and its daemon does not answer: Cannot connect to Podman",
			fix:  "--driver local",
		},
		"something else": {
			name: "nerdctl", said: "time=\"x\" level=fatal msg=\"rootless containerd not running? \"\nmore",
			want: `nerdctl does not work: time="x" level=fatal msg="rootless containerd not running?`,
			fix:  "nerdctl info",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := &Engine{Name: tt.name}
			err := engine.explain(t.Context(), &commandError{command: tt.name + " info", output: tt.said, err: errors.New("exit status 1")})
			failure, ok := errors.AsType[*fail.Error](err)
			if !ok || !strings.Contains(failure.Error(), tt.want) || strings.Contains(failure.Error(), "\n") {
				t.Errorf("%v, want %q in one line", err, tt.want)
			}
			if ok && !strings.Contains(failure.Fix, tt.fix) {
				t.Errorf("the fix is %q, want %q", failure.Fix, tt.fix)
			}
		})
	}
}

// An engine that hangs is not waited for, and an interrupted question is not
// the engine's fault.
func TestEngineThatHangs(t *testing.T) {
	t.Parallel()
	engine := &Engine{Name: "sleep"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := engine.run(ctx, "60")
	if err := engine.explain(ctx, err); err == nil || !strings.Contains(err.Error(), "does not answer within") {
		t.Errorf("explain() = %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = engine.run(ctx, "60")
	if err := engine.explain(ctx, err); !errors.Is(err, context.Canceled) {
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
