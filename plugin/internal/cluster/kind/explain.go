package kind

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const (
	linux = "linux"
	// instead is what works without any engine.
	instead = "kubectl tlsgw dev-up --driver local"
)

// explain says in one sentence why an engine does not answer, and what to do
// on the operating system goos.
func (e *Engine) explain(ctx context.Context, err error, goos string) error {
	var failed *commandError
	if !errors.As(err, &failed) || errors.Is(err, exec.ErrNotFound) || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	said, reason := strings.ToLower(failed.output), engineReason(failed.output)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fail.Failed("%s does not answer within %s", e.Name, answerTimeout).
			WithFix("restart it, or do without: %s", instead)
	case strings.Contains(said, "permission denied") && e.Name == docker:
		return fail.Failed("%s runs, and you may not use it: %s", e.Name, reason).
			WithFix("%s; or do without: %s", permission(goos), instead)
	case strings.Contains(said, "connect"), strings.Contains(said, "daemon"), strings.Contains(said, "containerd"):
		server, start := e.server(goos, said)
		return fail.Failed("%s is installed, and its %s does not answer: %s", e.Name, server, reason).
			WithFix("%s, or do without: %s", start, instead)
	}
	return fail.Failed("%s does not work: %s", e.Name, reason).
		WithFix("try: %s info    # or do without: %s", e.Name, instead)
}

// permission is how a user comes to use Docker.
func permission(goos string) string {
	if goos == linux {
		return "sudo usermod -aG docker $USER    # then log in again"
	}
	return "log in as the user who runs it (docker context ls says which Docker is asked)"
}

// server is what of an engine does not answer, and how to start it. What the
// engine says, in lower case, tells whose it is.
func (e *Engine) server(goos, said string) (server, start string) {
	const daemon, machine = "daemon", "virtual machine"
	switch {
	case e.Name == podman && goos != linux:
		return machine, "start it (podman machine start)"
	case e.Name == podman:
		// It needs none, unless it is told to ask another one.
		return "service", "see which one is asked (podman system connection list, $CONTAINER_HOST)"
	case e.Name == finch:
		return machine, "start it (finch vm start)"
	case e.Name == lima:
		return machine, "start it (limactl start)"
	case e.Name == nerdctl && strings.Contains(said, "rootless"):
		return daemon, "start it (containerd-rootless-setuptool.sh install)"
	case e.Name == nerdctl:
		return daemon, "start it (sudo systemctl start containerd)"
	case goos != linux || strings.Contains(said, "/.docker/"):
		return daemon, "start Docker Desktop, or what else runs Docker here"
	case !strings.Contains(said, "unix://"):
		return daemon, "see which one is asked (docker context ls, $DOCKER_HOST)"
	case strings.Contains(said, "/run/user/"):
		return daemon, "start it (systemctl --user start docker)"
	}
	return daemon, "start it (sudo systemctl start docker)"
}

// message is what a line says, which may be of the log that nerdctl writes.
func message(line string) string {
	line = strings.TrimSpace(line)
	found := regexp.MustCompile(`^time=.* level=\w+ msg=("(?:[^"\\]|\\.)*")`).FindStringSubmatch(line)
	if found == nil {
		return line
	}
	if said, err := strconv.Unquote(found[1]); err == nil {
		return firstLine(said)
	}
	return line
}

// engineReason is the one sentence that matters of what an engine says: not
// the request that failed, nor a question or advice.
func engineReason(output string) string {
	reason := ""
	for line := range strings.Lines(output) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		reason = strings.TrimPrefix(message(line), "Error: ")
		if !strings.Contains(line, "level=warning") && !strings.Contains(line, "Please verify") {
			break
		}
	}
	reason = regexp.MustCompile(` \(hint: [^)]*\)`).ReplaceAllString(reason, "")
	if what, request, found := strings.Cut(reason, ": Get \""); found {
		reason = what
		if _, cause, _ := strings.Cut(request, "\": "); !strings.Contains(what, "://") {
			reason += ": " + cause
		}
	}
	reason, _, _ = strings.Cut(reason, " Is the docker daemon running")
	return strings.TrimSuffix(reason, ".")
}
