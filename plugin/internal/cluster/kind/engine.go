package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// The engines that kind knows, by the names of their programs. The last two are
// nerdctl in a virtual machine.
const (
	docker  = "docker"
	podman  = "podman"
	nerdctl = "nerdctl"
	finch   = "finch"
	lima    = "nerdctl.lima"
)

// Engine is a container engine that answers. What kind's library does not do
// with it is done by its command line.
type Engine struct {
	// Name is that of its program.
	Name string
	// Version is the engine's.
	Version string

	// arch is the GOARCH of its containers.
	arch string
}

func (e *Engine) String() string { return strings.TrimSpace(e.Name + " " + e.Version) }

// envProvider chooses the engine, as for kind's own command line.
const envProvider = "KIND_EXPERIMENTAL_PROVIDER"

const (
	// answerTimeout bounds the question whether an engine answers.
	answerTimeout = 10 * time.Second
	// killDelay is how long what an interrupted command started may hold its
	// output open.
	killDelay = 2 * time.Second
)

// Detect finds an engine that answers, in kind's order, or the one that
// KIND_EXPERIMENTAL_PROVIDER names. The error says what is wrong with the
// first one that is installed, or that there is none.
func Detect(ctx context.Context, getenv func(string) string) (*Engine, error) {
	names := []string{docker, nerdctl, podman}
	if chosen := getenv(envProvider); chosen != "" {
		names = []string{chosen}
	}
	var first error
	for _, name := range names {
		engine, err := detect(ctx, name)
		if err == nil {
			return engine, nil
		}
		if first == nil && !errors.Is(err, exec.ErrNotFound) {
			first = err
		}
	}
	if first != nil {
		return nil, first
	}
	return nil, fail.Failed("no container engine is installed: PATH has no %s", anyOf(names)).
		WithFix("install Docker or Podman, or do without: kubectl tlsgw dev-up --driver local")
}

// detect asks one engine. The error wraps exec.ErrNotFound when it is not
// installed.
func detect(ctx context.Context, name string) (*Engine, error) {
	question, err := questionOf(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	engine := &Engine{Name: name}
	if name == docker {
		// A program of that name may be Podman's, with which kind's docker
		// provider does not work.
		if out, err := engine.run(ctx, "-v"); err == nil && !strings.HasPrefix(out, "Docker version") {
			return nil, fmt.Errorf("the docker on PATH is not Docker: %w", exec.ErrNotFound)
		}
	}
	out, err := engine.run(ctx, question...)
	if err != nil {
		return nil, engine.explain(ctx, err, runtime.GOOS)
	}
	version, arch, _ := strings.Cut(strings.TrimSpace(out), " ")
	if version == "" {
		return nil, fail.Failed("%s does not say its version", name).WithFix("try: %s info", name)
	}
	engine.Version, engine.arch = version, goarch(arch)
	return engine, nil
}

// questionOf are arguments that make an engine print its version and its
// architecture, and fail when it does not run.
func questionOf(name string) ([]string, error) {
	switch name {
	case docker:
		return []string{"version", "--format", "{{.Server.Version}} {{.Server.Arch}}"}, nil
	case podman:
		return []string{"info", "--format", "{{.Version.Version}} {{.Host.Arch}}"}, nil
	case nerdctl, finch, lima:
		return []string{"info", "--format", "{{.ServerVersion}} {{.Architecture}}"}, nil
	}
	return nil, fail.Usage("%s=%s names no engine that kind knows", envProvider, name).
		WithFix("write one of docker, podman, nerdctl, or leave it unset")
}

// goarch translates the names that kernels give architectures.
func goarch(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// provider is kind's for this engine.
func (e *Engine) provider(logger log.Logger) *kindcluster.Provider {
	option := kindcluster.ProviderWithNerdctl(e.Name)
	switch e.Name {
	case docker:
		option = kindcluster.ProviderWithDocker()
	case podman:
		option = kindcluster.ProviderWithPodman()
	}
	return kindcluster.NewProvider(kindcluster.ProviderWithLogger(logger), option)
}

// commandError is a command of the engine that failed.
type commandError struct {
	command string
	// output is what it said on standard error, or else on standard output.
	output string
	err    error
}

func (e *commandError) Error() string {
	if last := lastLines(e.output, 1); len(last) > 0 {
		return e.command + ": " + message(last[0])
	}
	return e.command + ": " + e.err.Error()
}

func (e *commandError) Unwrap() error { return e.err }

// run runs a command of the engine and returns what it prints. The error is a
// *commandError.
func (e *Engine) run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, e.Name, args...) // #nosec G204 -- the engine's own program
	command.WaitDelay = killDelay
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		said := errOut.String()
		if strings.TrimSpace(said) == "" {
			said = out.String()
		}
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return "", &commandError{command: e.Name + " " + args[0], output: said, err: err}
	}
	return out.String(), nil
}

// anyOf lists names as a sentence does.
func anyOf(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(first)
}

// lastLines are the last n lines that are not empty.
func lastLines(text string, n int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}
