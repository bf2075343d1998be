// Package engine finds the container engine of the suites on kind. The
// environment comes in; the engine that kind and dev-up would take comes out,
// with what makes both of them take it.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
)

const (
	// provider is the variable by which kind is told which engine to take.
	provider = "KIND_EXPERIMENTAL_PROVIDER"
	// answerTimeout is how long an engine may take to answer.
	answerTimeout = 20 * time.Second
)

// Engine is a container engine that answers.
type Engine struct {
	// Name is that of its program: docker, nerdctl or podman.
	Name string
}

// Find asks the engines in kind's order, or the one that the environment
// names, as e2e/node/engine does.
func Find(ctx context.Context) (Engine, error) {
	names := []string{"docker", "nerdctl", "podman"}
	if chosen := os.Getenv(provider); chosen != "" {
		names = []string{chosen}
	}
	var failures []error
	for _, name := range names {
		err := ask(ctx, name)
		if err == nil {
			return Engine{Name: name}, nil
		}
		failures = append(failures, err)
	}
	return Engine{}, fmt.Errorf("no container engine answers, try make engine: %w", errors.Join(failures...))
}

// ask fails when an engine does not answer.
func ask(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if name == "docker" {
		// With Podman under that name kind's provider for Docker does not work.
		if out, err := exec.CommandContext(ctx, name, "-v").Output(); err == nil && !strings.HasPrefix(string(out), "Docker version") { // #nosec G702 -- the program that the engine is
			return errors.New("the docker on PATH is not Docker")
		}
	}
	if out, err := exec.CommandContext(ctx, name, "info").CombinedOutput(); err != nil { // #nosec G702 -- the program that the engine is
		return fmt.Errorf("%s info: %w\n%s", name, err, out)
	}
	return nil
}

// Provider is kind's for this engine.
func (e Engine) Provider() *kindcluster.Provider {
	switch e.Name {
	case "docker":
		return kindcluster.NewProvider(kindcluster.ProviderWithDocker())
	case "podman":
		return kindcluster.NewProvider(kindcluster.ProviderWithPodman())
	}
	return kindcluster.NewProvider(kindcluster.ProviderWithNerdctl(e.Name))
}

// Env makes dev-up take this engine, and the engine be the person's own,
// wherever HOME is: the variables that it reads, or else what they stand for.
func (e Engine) Env() ([]string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find the settings of %s: %w", e.Name, err)
	}
	env := []string{provider + "=" + e.Name}
	for name, otherwise := range map[string]string{
		"DOCKER_CONFIG":   filepath.Join(home, ".docker"),
		"XDG_CONFIG_HOME": filepath.Join(home, ".config"),
		"XDG_DATA_HOME":   filepath.Join(home, ".local", "share"),
	} {
		env = append(env, name+"="+cmp.Or(os.Getenv(name), otherwise))
	}
	for _, one := range os.Environ() {
		name, _, _ := strings.Cut(one, "=")
		if name != "DOCKER_CONFIG" && isEngines(name) {
			env = append(env, one)
		}
	}
	return env, nil
}

// isEngines tells whether an engine reads a variable.
func isEngines(name string) bool {
	for _, prefix := range []string{"DOCKER_", "CONTAINER_", "CONTAINERS_", "CONTAINERD_", "NERDCTL_", "CNI_", "NETCONFPATH", "XDG_RUNTIME_DIR"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
