package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// interrupted tells whether ctx has ended, or is about to: Ctrl-C reaches the
// engine's commands too, and may end them first.
func interrupted(ctx context.Context, err error) bool {
	if bySignal(err) {
		awaitEnd(ctx)
	}
	return ctx.Err() != nil
}

func errInterrupted() error { return fail.Failed("interrupted") }

const (
	cleanUpTimeout = 60 * time.Second
	kept           = "kubectl tlsgw dev-down removes it all"
)

// giveUp cleans up after a cluster that could not be made. One that was there
// before is left as it is.
func (u *up) giveUp(ctx context.Context, err error) error {
	switch {
	case interrupted(ctx, err):
		err = errInterrupted()
	case u.found || u.made:
		err = u.orFull(ctx, err)
	}
	switch {
	case !u.found && !u.made:
		return withOutcome(err, "nothing was changed")
	case u.found:
		return withOutcome(u.aimed(err), "what still runs was left alone; "+kept)
	case u.options.Retain:
		return withOutcome(u.aimed(err), "everything was kept for a look; "+kept)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	err = u.retained(u.aimed(err))
	u.place.settings = u.settings
	if _, cleanErr := u.remove(ctx); cleanErr != nil {
		return withOutcome(errors.Join(err, cleanErr), "not everything could be removed: try kubectl tlsgw dev-down")
	}
	return withOutcome(err, "nothing is left of it (--retain keeps it for a look)")
}

// yield leaves a cluster alone that somebody else has made while this one was to
// be, and puts this machine's settings back.
func (u *up) yield() error {
	u.made = false
	var err error
	if u.known {
		err = state.SaveSettings(u.dir, u.place.settings)
	} else {
		err = u.dir.Remove()
	}
	u.node, _ = u.findNode() // only for its name
	return errors.Join(err, u.refuse())
}

// ofKubectl tells whether a fix speaks to the cluster: kubectl's own commands
// do.
func ofKubectl(fix string) (command string, is bool) {
	command, is = strings.CutPrefix(fix, "kubectl ")
	return command, is && !strings.HasPrefix(command, "tlsgw ")
}

// aimed makes a fix speak to this cluster: until it is complete, the user's
// kubeconfig has no context of it.
func (u *up) aimed(err error) error {
	failure := fail.As(err)
	command, is := ofKubectl(failure.Fix)
	if !is {
		return err
	}
	own := u.dir.Path(kubeconfigFile)
	if _, err := os.Stat(own); err != nil && u.found {
		return failure.WithFix("kubectl --context %s %s", u.context(), command)
	}
	return failure.WithFix("kubectl --kubeconfig %s %s", own, command)
}

// retained makes a fix that speaks to a cluster which is about to go one that
// keeps it first.
func (u *up) retained(err error) error {
	failure := fail.As(err)
	if _, is := ofKubectl(failure.Fix); !is {
		return err
	}
	return failure.WithFix("%s    # then look: %s", u.retain(), failure.Fix)
}

// retain is the same dev-up, and what it has made stays.
func (u *up) retain() string {
	options := u.options
	options.Retain = true
	return options.Command(cluster.DriverKind)
}

// errFull says of a disk that it is so.
var errFull = errors.New("is full")

const (
	// spare is what a node needs to go on, in bytes, spareFiles in files.
	spare      = 64 * megabyte
	spareFiles = 64
)

// orFull is err, or that the disk of the node is full: whatever failed then
// shows as something else.
func (u *up) orFull(ctx context.Context, err error) error {
	if errors.Is(err, errFull) {
		return err
	}
	if u.node == nil { // it is not known before all of it is made
		if u.node, _ = u.findNode(); u.node == nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	// Where its containers and databases are, and what is its own.
	out, statErr := kindexec.Output(u.node.CommandContext(ctx, "stat", "--file-system", "--format=%a %S %d %c", "/var", "/kind"))
	if statErr != nil || !isSpent(string(out)) {
		return err
	}
	full := fail.As(u.nodeFull(err))
	full.Details = append(full.Details, fail.As(err).Details...)
	return full
}

// isSpent tells whether one of the filesystems has next to nothing free. Each
// has a line of the free blocks, their size, and the free files of all; all is 0
// where they are not counted.
func isSpent(stats string) bool {
	for line := range strings.Lines(stats) {
		var blocks, size, files, all int64
		if _, err := fmt.Sscan(line, &blocks, &size, &files, &all); err != nil {
			continue
		}
		if blocks*size < spare || all > 0 && files < spareFiles {
			return true
		}
	}
	return false
}
