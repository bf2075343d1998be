//go:build e2e

package devup_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kind"
)

// nodeImage is one that the engine has: make node-image. Not every engine takes
// Docker Hub for granted.
const nodeImage = "docker.io/" + kind.DefaultNodeImage

// detected is the container engine of the tests: the one that dev-up takes.
var detected = sync.OnceValues(func() (*kind.Engine, error) { return kind.Detect(context.Background(), os.Getenv) })

func engineName(t *testing.T) string {
	t.Helper()
	found, err := detected()
	if err != nil {
		t.Fatal(err)
	}
	return found.Name
}

// inEngine runs a command of the engine.
func inEngine(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), engineName(t), args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command.Args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// container runs one that does nothing until the test ends.
func container(t *testing.T, args ...string) {
	t.Helper()
	id := inEngine(t, append(append([]string{"run", "--detach", "--entrypoint", "sleep"}, args...), nodeImage, "600")...)
	t.Cleanup(func() { inEngine(t, "rm", "--force", "--volumes", id) })
}

// unanswered is an environment in which each engine asks at a place where none is.
func unanswered() map[string]string {
	const socket = "/nonexistent/engine.sock"
	return map[string]string{"DOCKER_HOST": "unix://" + socket, "CONTAINER_HOST": "unix://" + socket, "CONTAINERD_ADDRESS": socket}
}

// newEngineMachine is a machine whose user has the container engine of the
// person who runs the tests.
func newEngineMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.env["XDG_CACHE_HOME"] = filepath.Join(m.env["HOME"], ".cache")
	delete(m.env, "HOME")
	for _, one := range os.Environ() {
		name, value, _ := strings.Cut(one, "=")
		if _, ours := m.env[name]; !ours {
			m.env[name] = value
		}
	}
	return m
}

// clusterName is one that nobody else has.
func clusterName(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("devup-%d-%d", os.Getpid(), freePort(t))
}

// mustLeaveNoContainer checks that the engine has none of that cluster.
func mustLeaveNoContainer(t *testing.T, name string) {
	t.Helper()
	if left := inEngine(t, "ps", "--all", "--quiet", "--filter", "label=io.x-k8s.kind.cluster="+name); left != "" {
		t.Errorf("left behind: container %s", left)
	}
}

// kindArgs are those of dev-up with driver kind. The test binary may be linked
// dynamically: the controller's image is made of another one.
func (m *machine) kindArgs(t *testing.T, name string, args ...string) []string {
	t.Helper()
	program := filepath.Join(m.dir, "kubectl-tlsgw")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/tlsgw/kubectl-tlsgw/cmd/kubectl-tlsgw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return append([]string{
		"dev-up", "--driver", "kind", "--name", name, "--http-port", fmt.Sprint(m.http), "--linux-binary", program,
	}, args...)
}

//nolint:tparallel // its parts happen one after the other: they check what is left
func TestEngineRefusals(t *testing.T) {
	t.Parallel()
	m := newEngineMachine(t)
	name, foreign := clusterName(t), clusterName(t)
	container(t, "--label", "io.x-k8s.kind.cluster="+foreign, "--label", "io.x-k8s.kind.role=control-plane", "--name", foreign+"-control-plane")
	published := freePort(t)
	container(t, "--publish", fmt.Sprintf("127.0.0.1:%d:80", published), "--name", foreign+"-port")
	listener := hold(t)
	t.Cleanup(func() { _ = listener.Close() })
	_, taken, _ := strings.Cut(listener.Addr().String(), ":")
	args := m.kindArgs(t, name)
	on := func(more ...string) []string { return append(append([]string{}, args...), more...) }
	tests := map[string]struct {
		args []string
		env  map[string]string
		code int
		want []string
	}{
		"daemon down": {
			args: args, env: unanswered(), code: 1,
			want: []string{engineName(t) + " is installed, and its ", " does not answer: ", "/nonexistent/engine.sock", "--driver local", "nothing was changed"},
		},
		"port of a container": {
			args: on("--http-port", fmt.Sprint(published)), code: 1,
			want: []string{fmt.Sprintf("port %d is taken by the container %s-port", published, foreign), "--http-port", "nothing was changed"},
		},
		"port of a process": {
			args: on("--http-port", taken), code: 1,
			want: []string{"port " + taken + " is taken by", fmt.Sprintf("(pid %d)", os.Getpid()), "--http-port", "nothing was changed"},
		},
		"somebody's cluster": {
			args: on("--name", foreign), code: 1,
			want: []string{foreign, "dev-up did not make it", "--name " + foreign + "-dev", engineName(t) + " rm --force --volumes", "label=io.x-k8s.kind.cluster=" + foreign, "nothing was changed"},
		},
		"somebody's cluster, down": {
			args: []string{"dev-down", "--driver", "kind", "--name", foreign}, code: 1,
			want: []string{"was not made by dev-up, and was left alone", engineName(t) + " rm --force --volumes", "label=io.x-k8s.kind.cluster=" + foreign},
		},
		"node image": {
			args: on("--node-image", "registry.invalid/none:1"), code: 1,
			want: []string{engineName(t) + " cannot pull registry.invalid/none:1", "--node-image", "nothing was changed"},
		},
		"kubeconfig": {
			args: on("--kubeconfig", "/proc/self/none/config"), code: 1,
			want: []string{"kubeconfig /proc/self/none/config cannot be written", "--kubeconfig FILE", "nothing was changed"},
		},
		"program": {
			args: on("--linux-binary", "/bin/ls"), code: 2,
			want: []string{"--linux-binary: /bin/ls", "CGO_ENABLED=0", "nothing was changed"},
		},
	}
	for test, tt := range tests {
		t.Run(test, func(t *testing.T) {
			mine := *m
			mine.env = map[string]string{}
			for k, v := range m.env {
				mine.env[k] = v
			}
			for k, v := range tt.env {
				mine.env[k] = v
			}
			mine.command(t.Context(), t, tt.args...).mustExit(t, tt.code).mustSay(t, append(tt.want, "error: ")...)
			mustLeaveNoContainer(t, name)
		})
	}
	if got := inEngine(t, "ps", "--quiet", "--filter", "name="+foreign+"-control-plane"); got == "" {
		t.Error("somebody's cluster is gone")
	}
	m.mustLeaveNothing(t, filepath.Join(m.dir, "kubectl-tlsgw"))
}

// A user who may not use the engine is told so, and what to do.
func TestEngineWithoutPermission(t *testing.T) {
	t.Parallel()
	if name := engineName(t); name != "docker" {
		t.Skipf("any user may run %s, with a store of his own", name)
	}
	const nobody = 65534
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "tlsgw-nobody-") //nolint:usetesting // the test's own are below a folder that is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "kubectl-tlsgw")
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil { // #nosec G306 -- a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "dev-up", "--driver", "kind", "--name", clusterName(t)) // #nosec G204 -- this very binary
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	} else {
		// Who runs this may use the engine, and cannot become somebody else.
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+closedSocket(t, dir))
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	for _, want := range []string{"docker runs, and you may not use it: permission denied", "usermod -aG docker", "--driver local", "nothing was changed"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("it says %v, and lacks %q", err, want)
		}
	}
}

// closedSocket is one that somebody listens on, and that nobody may connect to.
func closedSocket(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "docker.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	return path
}

// Ctrl-C reaches what dev-up has started too, a signal to dev-up alone does
// not: either way nothing is left, whenever it comes.
func TestEngineInterrupt(t *testing.T) {
	t.Parallel()
	m := newEngineMachine(t)
	name := clusterName(t)
	args := m.kindArgs(t, name)
	for _, tt := range []struct {
		after time.Duration
		group bool
	}{{200 * time.Millisecond, true}, {time.Second, true}, {1500 * time.Millisecond, true}, {2 * time.Second, true}, {2 * time.Second, false}, {6 * time.Second, true}, {20 * time.Second, true}} {
		cmd := m.cmd(t.Context(), t, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var out strings.Builder
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		if tt.group {
			pid = -pid
		}
		stop := time.AfterFunc(tt.after, func() { _ = syscall.Kill(pid, syscall.SIGINT) })
		err := cmd.Wait()
		stop.Stop()
		t.Logf("after %s (group %v):\n%s", tt.after, tt.group, out.String())
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "error: interrupted") {
			t.Errorf("after %s: %v", tt.after, err)
		}
		mustLeaveNoContainer(t, name)
		m.mustLeaveNothing(t, filepath.Join(m.dir, "kubectl-tlsgw"))
	}
}
