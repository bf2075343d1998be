package daemon_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/daemon"
)

// start runs a shell script as a daemon; its folder makes its command line
// unlike any other.
func start(t *testing.T, script string) (*daemon.Running, daemon.Spec) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	spec := daemon.Spec{
		Argv:        []string{shell, "-c", script, dir},
		Env:         []string{"PATH=" + os.Getenv("PATH")},
		Fingerprint: "one",
		LogFile:     filepath.Join(dir, "log"),
		RecordFile:  filepath.Join(dir, "record"),
	}
	running, err := daemon.Start(spec, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := running.Stop(context.WithoutCancel(t.Context()), 100*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	return running, spec
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestRecordTellsWhetherTheProcessRuns(t *testing.T) {
	t.Parallel()
	running, spec := start(t, "echo up; exec sleep 600")
	await(t, "up", func() bool { return len(daemon.Tail(spec.LogFile, 1)) == 1 })
	// exec changes the command line, which makes it another process than
	// the recorded one: exactly what a reused process id looks like.
	await(t, "exec", func() bool { return !running.Alive(t.Context()) })
	if stopped, err := running.Stop(t.Context(), time.Second); stopped || err != nil {
		t.Errorf("Stop() = %v, %v: it must leave a process alone that is not the recorded one", stopped, err)
	}
	select {
	case <-running.Exited():
		t.Error("the other process was stopped")
	default:
	}
	other, err := os.FindProcess(running.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := daemon.Tail(spec.LogFile, 5); !cmp.Equal(got, []string{"up"}) {
		t.Errorf("log is %q", got)
	}
}

func TestLaterCommandStopsIt(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ends when asked":  "echo up; while :; do sleep 0.01; done",
		"has to be killed": "trap '' TERM; echo up; while :; do sleep 0.01; done",
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			running, spec := start(t, script)
			await(t, "up", func() bool { return len(daemon.Tail(spec.LogFile, 1)) == 1 })
			loaded, err := daemon.Load(spec.RecordFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(running.Record, loaded); diff != "" {
				t.Errorf("record changed (-written +read):\n%s", diff)
			}
			if !loaded.Alive(t.Context()) {
				t.Fatal("not alive")
			}
			stopped, err := loaded.Stop(t.Context(), 200*time.Millisecond)
			if !stopped || err != nil {
				t.Errorf("Stop() = %v, %v", stopped, err)
			}
			<-running.Exited()
			if loaded.Alive(t.Context()) {
				t.Error("alive after it was stopped")
			}
			if stopped, err := loaded.Stop(t.Context(), time.Second); stopped || err != nil {
				t.Errorf("second Stop() = %v, %v", stopped, err)
			}
		})
	}
}

func TestNoRecordIsNotAlive(t *testing.T) {
	t.Parallel()
	r, err := daemon.Load(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Alive(t.Context()) {
		t.Error("alive")
	}
}

func TestExitIsSeen(t *testing.T) {
	t.Parallel()
	running, spec := start(t, "for i in 1 2 3 4 5; do echo line $i; done; echo; exit 3")
	<-running.Exited()
	if running.Err() == nil {
		t.Error("exit status 3 is no error")
	}
	want := []string{"line 4", "line 5"}
	if diff := cmp.Diff(want, daemon.Tail(spec.LogFile, 2)); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
	if got := daemon.Tail(filepath.Join(t.TempDir(), "none"), 3); got != nil {
		t.Errorf("tail of no file is %q", got)
	}
}

func TestLockIsHeldByOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := daemon.Acquire(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan struct{})
	second := make(chan *daemon.Lock, 1)
	go func() {
		lock, err := daemon.Acquire(t.Context(), path, func() { close(waiting) })
		if err != nil {
			t.Error(err)
		}
		second <- lock
	}()
	<-waiting
	select {
	case <-second:
		t.Fatal("two hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := (<-second).Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the lock file is left: %v", err)
	}
	held, err := daemon.Acquire(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := daemon.Acquire(ctx, path, nil); err == nil {
		t.Error("Acquire does not end with its context")
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
}
