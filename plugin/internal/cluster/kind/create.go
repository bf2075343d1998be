package kind

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// nodePort is the port of the node behind the port of this machine.
const nodePort = 30080

// kubeconfigFile is the cluster's own kubeconfig, as kind writes it. What dev-up
// adds to the user's is taken from it when all is up.
const kubeconfigFile = "kubeconfig"

// create makes the cluster. kind's library knows no context: when this one
// ends, what it has made so far is taken away under its hands, until it gives
// up.
func (u *up) create(ctx context.Context) error {
	result := make(chan error, 1)
	go func() {
		result <- u.provider.Create(u.name,
			kindcluster.CreateWithV1Alpha4Config(u.config()),
			// A look at what failed comes before it is removed, here.
			kindcluster.CreateWithRetain(true),
			kindcluster.CreateWithKubeconfigPath(u.dir.Path(kubeconfigFile)),
		)
	}()
	select {
	case err := <-result:
		if !interrupted(ctx, err) {
			return u.explainCreate(ctx, err)
		}
		result <- err
	case <-ctx.Done():
	}
	if u.options.Retain {
		return context.Cause(ctx)
	}
	return errors.Join(context.Cause(ctx), u.stopCreating(result))
}

// bySignal tells whether a command of the engine was ended by a signal.
func bySignal(err error) bool {
	if run := kindexec.RunErrorForError(err); run != nil {
		err = run.Inner
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() < 0
}

// awaitEnd waits a moment for ctx to end.
func awaitEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopInterval)
	defer cancel()
	<-ctx.Done()
}

func (u *up) config() *v1alpha4.Cluster {
	return &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Nodes: []v1alpha4.Node{{
			Role:  v1alpha4.ControlPlaneRole,
			Image: u.NodeImage,
			ExtraPortMappings: []v1alpha4.PortMapping{{
				ListenAddress: port.Loopback,
				HostPort:      int32(u.HTTPPort), // #nosec G115 -- ports fit
				ContainerPort: nodePort,
				Protocol:      v1alpha4.PortMappingProtocolTCP,
			}},
		}},
	}
}

const (
	// stopInterval is how often a cluster in the making is taken away.
	stopInterval = 500 * time.Millisecond
	// stopTimeout bounds the wait for kind to give up.
	stopTimeout = 30 * time.Second
	// lateTimeout is how long an engine may take to make a container for a
	// client that was interrupted while it waited for it.
	lateTimeout = 5 * time.Second
	// quietTime is for how long none may be seen after one was: an engine that
	// was told to remove one which it was still making may show it again.
	quietTime = 2 * time.Second
)

// stopCreating removes the containers until kind has given up making them, and
// none comes late. It gives what kind ends with.
func (u *up) stopCreating(result <-chan error) (ended error) {
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(stopInterval)
	defer tick.Stop()
	var late <-chan time.Time
	var noisy time.Time // when a container was seen last, or kind gave up
	for seen := false; ; {
		node, err := u.findNode()
		if node != nil {
			// The last removal, which follows, counts.
			_ = u.provider.Delete(u.name, u.dir.Path(kubeconfigFile))
			seen, noisy = true, time.Now()
		}
		if late != nil && seen && err == nil && time.Since(noisy) >= quietTime {
			return ended
		}
		select {
		case ended = <-result:
			result, noisy = nil, time.Now()
			late = time.After(lateTimeout)
		case <-late:
			if !seen {
				return ended
			}
		case <-timeout.C:
			return errors.New("kind does not give up making the cluster")
		case <-tick.C:
		}
	}
}

// shownLines is how much of a command's output is shown.
const shownLines = 8

// explainCreate says why kind could not make a cluster; nil when it could.
func (u *up) explainCreate(ctx context.Context, err error) error {
	said := strings.ToLower(allOutput(err))
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return u.engine.fullError(shortened(err))
	case strings.Contains(said, "already exist for a cluster"), strings.Contains(said, "is already in use by container"):
		return u.yield()
	case strings.Contains(said, "port is already allocated"), strings.Contains(said, "address already in use"):
		return u.portTaken(ctx)
	}
	failure := fail.Failed("kind cannot make a cluster from %s: %w", u.NodeImage, shortened(err))
	failure.Details = append(failure.Details, lastLines(allOutput(err), shownLines)...)
	return failure.WithFix("%s    # then look: %s logs %s", u.retain(), u.engine.Name, u.name+controlPlane)
}

// allOutput is what the command printed that made kind, or an engine, fail.
func allOutput(err error) string {
	if run := kindexec.RunErrorForError(err); run != nil {
		return string(run.Output)
	}
	var failed *commandError
	if errors.As(err, &failed) {
		return failed.output
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// shortened is an error of kind's without its long command lines: the last
// line that the command printed.
func shortened(err error) error {
	run := kindexec.RunErrorForError(err)
	if run == nil {
		return err
	}
	reason := run.Inner.Error()
	if last := lastLines(string(run.Output), 1); len(last) > 0 {
		reason = strings.TrimPrefix(strings.TrimPrefix(message(last[0]), "docker: "), "ctr: ")
	}
	what, _, found := strings.Cut(err.Error(), ": command \"")
	if !found {
		return errors.New(reason)
	}
	return errors.New(what + ": " + reason)
}
