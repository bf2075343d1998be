//go:build e2e

package local

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// A second dev-up has nothing to do, and says so; a part that has died comes
// back.
func TestDevCluster(t *testing.T) {
	s := shared(t)
	a := s.app(t, s.namespace(t, "healed"), "app")
	a.start(t)
	before := s.parts(t)

	again, err := s.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.parts(t); got != before {
		t.Errorf("the second dev-up changed the processes from %s to %s", before, got)
	}
	t.Log(again)

	all, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		s.kill(t, name)
		if name == "envoy" || name == "kube-apiserver" {
			if got := s.Run(t.Context(), "verify", "svc/app", "-n", a.namespace); got.Code != 3 {
				t.Errorf("without %s: want exit code 3: %s", name, got)
			}
		}
		healed, err := s.Up(t.Context())
		if err != nil {
			t.Fatalf("after %s was killed: %v", name, err)
		}
		if !strings.Contains(strings.ToLower(healed.Stderr), name) {
			t.Errorf("dev-up does not say that %s was started again:\n%s", name, healed)
		}
		s.await(t, a.host, http.StatusOK)
	}
}

// parts are all processes, in one line.
func (s *suite) parts(t *testing.T) string {
	t.Helper()
	parts, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	return describe(parts)
}

func describe(parts map[string]devcluster.Part) string {
	var words []string
	for _, part := range parts {
		words = append(words, part.Name+"="+strconv.Itoa(part.PID))
	}
	return strings.Join(sorted(words), " ")
}

// A port that is taken is named before anything starts; dev-down leaves
// nothing.
func TestDevClusterComesAndGoes(t *testing.T) {
	s := shared(t)
	second, err := devcluster.New(t.Context(), devcluster.Options{Binary: s.Binary, Name: s.Name + "-b", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := second.Guard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		second.Down(context.WithoutCancel(t.Context()))
		guard.Dismiss()
	})

	refuseTakenPort(t, second)
	if _, err := second.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	parts, err := second.Parts()
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) < 4 {
		t.Errorf("only %v run", parts)
	}
	if down := second.Down(t.Context()); down.Code != 0 {
		t.Error(down)
	}
	wantNothingLeft(t, second, parts)
	if down := second.Down(t.Context()); down.Code != 0 {
		t.Errorf("a second dev-down fails: %s", down)
	}
}

func refuseTakenPort(t *testing.T, c *devcluster.Cluster) {
	t.Helper()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.HTTPPort)))
	if err != nil {
		t.Fatal(err)
	}
	refused := c.Run(t.Context(), c.UpArgs()...)
	if refused.Code == 0 || !strings.Contains(refused.Stderr, strconv.Itoa(c.HTTPPort)) {
		t.Errorf("the taken port is not named: %s", refused)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantNothingLeft(t *testing.T, c *devcluster.Cluster, parts map[string]devcluster.Part) {
	t.Helper()
	for _, part := range parts {
		if running(part.PID) {
			t.Errorf("%s (pid %d) still runs", part.Name, part.PID)
		}
	}
	if kubeconfig, err := os.ReadFile(c.Kubeconfig()); err == nil && strings.Contains(string(kubeconfig), c.Name) {
		t.Errorf("the kubeconfig still has the context:\n%s", kubeconfig)
	}
	left, err := filesBelow(c.StateHome())
	if err != nil {
		t.Error(err)
	}
	if len(left) > 0 {
		t.Errorf("dev-down left %v", left)
	}
}

// running tells whether a process of that id runs; one that has ended and was
// not waited for does not.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
