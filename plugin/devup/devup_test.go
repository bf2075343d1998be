package devup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin"
)

// TestMain makes the test binary be kubectl-tlsgw when it is started with the
// arguments of that: dev-up starts its own binary as the controller.
func TestMain(m *testing.M) {
	args := os.Args[1:] //nolint:forbidigo // here it may be the program
	if len(args) > 0 && !strings.HasPrefix(args[0], "-test.") {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr} //nolint:forbidigo // likewise
		code := plugin.Run(ctx, args, streams)
		stop()
		os.Exit(code) //nolint:forbidigo // here it is the program
	}
	ctrllog.SetLogger(logr.Discard())
	m.Run()
}

// machine is a user's account: folders, environment and free ports of its own.
type machine struct {
	dir         string
	env         map[string]string
	http, admin int
}

// newMachine needs the real parts, which make test provides.
func newMachine(t *testing.T) *machine {
	t.Helper()
	for _, name := range []string{"TLSGW_ENVOY", "KUBEBUILDER_ASSETS"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: run make test, or make tools and set it", name)
		}
	}
	dir := t.TempDir()
	m := &machine{dir: dir, http: freePort(t), admin: freePort(t), env: map[string]string{
		"PATH":               os.Getenv("PATH"),
		"HOME":               filepath.Join(dir, "home"),
		"XDG_STATE_HOME":     filepath.Join(dir, "state"),
		"KUBECONFIG":         filepath.Join(dir, "kubeconfig"),
		"TLSGW_ENVOY":        os.Getenv("TLSGW_ENVOY"),
		"KUBEBUILDER_ASSETS": os.Getenv("KUBEBUILDER_ASSETS"),
	}}
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "state", "kubectl-tlsgw", "*", "run"))
		if err != nil {
			t.Error(err)
		}
		for _, run := range left {
			name := filepath.Base(filepath.Dir(run))
			if t.Failed() {
				m.showLogs(t, name)
			}
			m.command(context.WithoutCancel(t.Context()), t, "dev-down", "--name", name).mustExit(t, 0)
		}
	})
	return m
}

func (m *machine) showLogs(t *testing.T, name string) {
	t.Helper()
	logs, _ := filepath.Glob(m.state(name, "log", "*.log"))
	for _, path := range logs {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		lines := strings.Split(string(content), "\n")
		t.Logf("%s:\n%s", filepath.Base(path), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

func (m *machine) state(elem ...string) string {
	return filepath.Join(append([]string{m.dir, "state", "kubectl-tlsgw"}, elem...)...)
}

// up are the arguments of dev-up on this machine's ports.
func (m *machine) up(args ...string) []string {
	return append([]string{"dev-up", "--driver", "local", "--http-port", fmt.Sprint(m.http), "--admin-port", fmt.Sprint(m.admin)}, args...)
}

// freePort finds one below the range of outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(10000) // #nosec G404 -- no secret
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port")
	return 0
}

func hold(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// result of a command.
type result struct {
	args           []string
	stdout, stderr string
	code           int
}

func (m *machine) cmd(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...) // #nosec G204 -- this very binary
	cmd.Dir = m.dir
	for name, value := range m.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

func (m *machine) command(ctx context.Context, t *testing.T, args ...string) result {
	t.Helper()
	cmd := m.cmd(ctx, t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	r := result{args: args, stdout: out.String(), stderr: errOut.String(), code: cmd.ProcessState.ExitCode()}
	t.Logf("$ kubectl tlsgw %s\n%s%s(exit code %d)", strings.Join(args, " "), r.stderr, r.stdout, r.code)
	return r
}

func (r result) mustExit(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("%v: exit code %d, want %d", r.args, r.code, code)
	}
	return r
}

func (r result) mustSay(t *testing.T, parts ...string) result {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("%v: stderr lacks %q", r.args, part)
		}
	}
	return r
}

func (r result) mustNotSay(t *testing.T, parts ...string) result {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(r.stderr, part) {
			t.Errorf("%v: stderr has %q", r.args, part)
		}
	}
	return r
}

// pid is the process id of a part.
func (m *machine) pid(t *testing.T, name, part string) int {
	t.Helper()
	content, err := os.ReadFile(m.state(name, "run", part+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ PID int }
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatal(err)
	}
	return record.PID
}

// mustLeaveNothing checks that no file and no process of this machine is left.
func (m *machine) mustLeaveNothing(t *testing.T, except ...string) {
	t.Helper()
	kept := strings.Join(except, " ")
	err := filepath.WalkDir(m.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.Contains(kept, path) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, pid := range m.processes(t) {
		t.Errorf("left behind: process %s", pid)
	}
}

// processes that have this machine's state in their command line.
func (m *machine) processes(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ps", "-eo", "pid,stat,args").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, m.state()) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// status asks the gateway.
func (m *machine) status(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", m.http), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; {
		// A zombie that nobody reaps is dead enough.
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && bytes.Contains(state, []byte(") Z ")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not die", pid)
		}
		<-time.After(5 * time.Millisecond)
	}
}
