package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The suites take the engine that e2e/node/engine has given the node image to:
// the first that answers, in kind's order.
func TestFind(t *testing.T) {
	const (
		answers = `[ "$1" = info ] || echo "Docker version 28"`
		fails   = `[ "$1" = info ] && exit 1; echo "Docker version 28"`
		another = `echo "podman version 5"`
	)
	script, err := filepath.Abs("../../node/engine")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		docker, nerdctl, podman, chosen, want string
	}{
		"all":           {docker: answers, nerdctl: answers, podman: answers, want: "docker"},
		"daemon down":   {docker: fails, nerdctl: answers, podman: answers, want: "nerdctl"},
		"podman alone":  {docker: fails, nerdctl: fails, podman: answers, want: "podman"},
		"not Docker":    {docker: another, nerdctl: fails, podman: answers, want: "podman"},
		"chosen":        {docker: answers, nerdctl: answers, podman: answers, chosen: "podman", want: "podman"},
		"chosen, fails": {docker: answers, nerdctl: fails, podman: answers, chosen: "nerdctl"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for program, text := range map[string]string{"docker": tt.docker, "nerdctl": tt.nerdctl, "podman": tt.podman} {
				if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			t.Setenv(provider, tt.chosen)
			found, err := Find(t.Context())
			if found.Name != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("Find() = %q, %v; want %q", found.Name, err, tt.want)
			}
			printed, err := exec.CommandContext(t.Context(), script).Output()
			if got := strings.TrimSpace(string(printed)); got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("e2e/node/engine prints %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// dev-up runs with a HOME of its own, and the engine is the person's.
func TestEnv(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_DATA_HOME", "/data")
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("DOCKER_HOST", "unix:///d.sock")
	t.Setenv("CONTAINERD_ADDRESS", "/c.sock")
	t.Setenv("KUBECONFIG", "/k")
	got, err := Engine{Name: "podman"}.Env()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"KIND_EXPERIMENTAL_PROVIDER=podman", "DOCKER_CONFIG=/home/me/.docker", "XDG_CONFIG_HOME=/home/me/.config",
		"XDG_DATA_HOME=/data", "DOCKER_HOST=unix:///d.sock", "CONTAINERD_ADDRESS=/c.sock",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("Env() = %q, want %s", got, want)
		}
	}
	if slices.Contains(got, "KUBECONFIG=/k") {
		t.Errorf("Env() = %q with what no engine reads", got)
	}
}
