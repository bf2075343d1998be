package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/daemon"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const (
	pollInterval = 25 * time.Millisecond
	// checkTimeout bounds one question to a part.
	checkTimeout = 3 * time.Second
	// startTimeout is generous: a cold disk and two busy cores.
	startTimeout = 60 * time.Second
	// patience is how long a part that was running already may take to
	// answer before it is started again.
	patience = 6 * time.Second
	// stopGrace is how long a part has to end by itself.
	stopGrace = 3 * time.Second

	logLines = 8
)

// part is one process of the cluster.
type part struct {
	// name is that of its log and record files.
	name string
	// title is what a person calls it.
	title string
	argv  []string
	// inputs are the files that it reads when it starts.
	inputs []string
	ports  []port.Use
	// check is nil when the part does its work.
	check func(context.Context) error
}

// fingerprint changes when the running process is not what it should be: other
// arguments, another binary, other inputs.
func (p part) fingerprint() (string, error) {
	sum := sha256.New()
	binary, err := os.Stat(p.argv[0])
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", p.title, err)
	}
	fmt.Fprintf(sum, "%q %d %d\n", p.argv, binary.Size(), binary.ModTime().UnixNano()) //nolint:errcheck // hashes never fail
	for _, input := range p.inputs {
		content, err := os.ReadFile(input) // #nosec G304 -- files of our own state, and the user's CA bundle
		if err != nil {
			return "", fmt.Errorf("read input of %s: %w", p.title, err)
		}
		fmt.Fprintf(sum, "%d\n", len(content)) //nolint:errcheck // hashes never fail
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// running is a part after it was looked at or started.
type running struct {
	part
	record daemon.Record
	// exited is nil when an earlier command has started it.
	exited <-chan struct{}
	// ended says how, once exited is closed.
	ended func() error
	// healed says why it was started again, in a cluster that was up before.
	healed string
}

// Reasons for which a part is started again.
const (
	reasonDead    = "was not running"
	reasonChanged = "has new settings"
	reasonSilent  = "did not answer"
)

// ensure starts the part unless it runs as it should. It does not wait until
// the part is well.
func (u *up) ensure(ctx context.Context, p part) (*running, error) {
	fingerprint, err := p.fingerprint()
	if err != nil {
		return nil, err
	}
	record, err := daemon.Load(u.dir.record(p.name))
	if err != nil {
		return nil, err
	}
	switch {
	case !record.Alive(ctx):
		return u.start(ctx, p, fingerprint, reasonDead)
	case record.Fingerprint != fingerprint:
		return u.restart(ctx, p, record, fingerprint, reasonChanged)
	}
	return &running{part: p, record: record}, nil
}

func (u *up) restart(ctx context.Context, p part, old daemon.Record, fingerprint, reason string) (*running, error) {
	if _, err := old.Stop(ctx, stopGrace); err != nil {
		return nil, err
	}
	return u.start(ctx, p, fingerprint, reason)
}

func (u *up) start(ctx context.Context, p part, fingerprint, reason string) (*running, error) {
	for _, use := range p.ports {
		if err := use.AwaitFree(ctx); err != nil {
			return nil, err
		}
	}
	process, err := daemon.Start(daemon.Spec{
		Argv: p.argv, Env: u.driver.environment(), Fingerprint: fingerprint,
		LogFile: u.dir.log(p.name), RecordFile: u.dir.record(p.name),
	}, u.driver.Now())
	if err != nil {
		return nil, err
	}
	u.changed = true
	r := &running{part: p, record: process.Record, exited: process.Exited(), ended: process.Err}
	if u.found {
		r.healed = reason
	}
	return r, nil
}

// environment of the parts: nothing of the user's that could change what they
// do, such as proxies or a kubeconfig.
func (d *Driver) environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOCOVERDIR"} {
		if value := d.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// await waits until the part is well. One that ran before and does not answer
// is started again, once.
func (u *up) await(ctx context.Context, r *running) error {
	if r.exited == nil {
		if err := r.poll(ctx, patience); err == nil || ctx.Err() != nil {
			return err
		}
		again, err := u.restart(ctx, r.part, r.record, r.record.Fingerprint, reasonSilent)
		if err != nil {
			return err
		}
		*r = *again
	}
	return u.explain(r.part, r.poll(ctx, startTimeout))
}

func (r *running) poll(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %s", within))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		attempt, done := context.WithTimeout(ctx, checkTimeout)
		err := r.check(attempt)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-r.exited:
			return hasEnded(r.ended())
		case <-ctx.Done():
			return fmt.Errorf("%w; last seen: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// hasEnded says how a process did.
func hasEnded(how error) error {
	if how == nil {
		return errors.New("the process has ended")
	}
	return fmt.Errorf("the process has ended: %w", how)
}

// explain adds the last log lines of a part that is not well.
func (u *up) explain(p part, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	failure := fail.Failed("%s is not well: %w", p.title, err)
	for _, line := range daemon.Tail(u.dir.log(p.name), logLines) {
		failure = failure.WithDetail("%s: %s", filepath.Base(p.argv[0]), line)
	}
	return failure
}
