// Package daemon runs programs in the background that outlive the command
// which started them. In goes a Spec; out come a running process in a session
// of its own, a log file, and a record of it from which a later command tells
// whether it still runs, and stops it.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

const (
	pollInterval = 20 * time.Millisecond
	fileMode     = 0o600
)

// Spec is a program to run.
type Spec struct {
	// Argv is the program, as an absolute path, and its arguments. Among
	// them must be something that no other process has, such as the path
	// of a private directory: see Record.
	Argv []string
	// Env is the whole environment of the program, as KEY=VALUE.
	Env []string
	// Fingerprint changes when the program has to be restarted.
	Fingerprint string
	// LogFile takes what the program prints; it is appended to.
	LogFile string
	// RecordFile takes the Record.
	RecordFile string
}

// Record identifies a process beyond its reusable process id. It is the
// command line that does: unlike a start time it does not shift when the
// clock of a machine is set or a virtual machine wakes up.
type Record struct {
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`
	Argv        []string  `json:"argv"`
	Fingerprint string    `json:"fingerprint"`
}

// Running is a process that this command has started.
type Running struct {
	Record
	exited chan struct{}
	err    error
}

// Exited is closed when the process has ended.
func (r *Running) Exited() <-chan struct{} { return r.exited }

// Err says how the process ended. It is valid after Exited.
func (r *Running) Err() error { return r.err }

// Start starts the program and writes its record.
func Start(spec Spec, now time.Time) (*Running, error) {
	name := filepath.Base(spec.Argv[0])
	log, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, fileMode) // #nosec G304 -- a path of our own state
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	// The process must outlive this command, so no context ends it.
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...) //nolint:noctx // see above // #nosec G204 -- running given programs is the purpose
	cmd.Env = spec.Env
	cmd.Dir = filepath.Dir(spec.LogFile)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	running := &Running{
		Record: Record{PID: cmd.Process.Pid, Started: now.UTC(), Argv: spec.Argv, Fingerprint: spec.Fingerprint},
		exited: make(chan struct{}),
	}
	go func() {
		running.err = cmd.Wait()
		close(running.exited)
	}()
	if err := running.save(spec.RecordFile); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	return running, nil
}

// Load reads a record. Without one it returns a zero Record, which is not
// alive.
func Load(file string) (Record, error) {
	var r Record
	data, err := os.ReadFile(file) // #nosec G304 -- a path of our own state
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read process record: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read process record %s: %w", file, err)
	}
	return r, nil
}

func (r Record) save(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write process record: %w", err)
	}
	next := file + ".new"
	if err := os.WriteFile(next, data, fileMode); err != nil {
		return fmt.Errorf("write process record: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("write process record: %w", err)
	}
	return nil
}

// Alive tells whether the recorded process runs. A process that merely got
// the same id is not it.
func (r Record) Alive(ctx context.Context) bool {
	if r.PID <= 0 {
		return false
	}
	p, err := process.NewProcessWithContext(ctx, int32(r.PID)) // #nosec G115 -- process ids fit
	if err != nil {
		return false
	}
	argv, err := p.CmdlineSliceWithContext(ctx)
	// A zombie has no command line.
	return err == nil && slices.Equal(argv, r.Argv)
}

// Stop asks the recorded process to end and, when it has not after grace,
// kills it. A process that is not alive, or not the recorded one, is left
// alone. It returns whether there was one to stop.
func (r Record) Stop(ctx context.Context, grace time.Duration) (bool, error) {
	if !r.Alive(ctx) {
		return false, nil
	}
	name := filepath.Base(r.Argv[0])
	if err := terminate(r.PID); err != nil {
		return true, fmt.Errorf("stop %s (pid %d): %w", name, r.PID, err)
	}
	if r.gone(ctx, grace) {
		return true, nil
	}
	if err := kill(r.PID); err != nil {
		return true, fmt.Errorf("kill %s (pid %d): %w", name, r.PID, err)
	}
	if r.gone(ctx, grace) {
		return true, nil
	}
	return true, fmt.Errorf("stop %s: process %d does not end", name, r.PID)
}

func (r Record) gone(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for r.Alive(context.WithoutCancel(ctx)) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

const tailBytes = 16 << 10

// Tail is the last lines of a log file, at most n, without empty ones. A log
// that cannot be read has none.
func Tail(file string, n int) []string {
	f, err := os.Open(file) // #nosec G304 -- a path of our own state
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tailBytes), io.SeekStart)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	lines := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' || r == '\r' })
	return lines[max(0, len(lines)-n):]
}
