// Package port looks after the ports of this machine that a dev cluster wants:
// a number comes in, and a sentence that says who has it already, and which
// one to take instead, comes out.
package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Loopback is where dev clusters listen, and nowhere else.
const Loopback = "127.0.0.1"

const pollInterval = 20 * time.Millisecond

// Listen takes a port of loopback; 0 is any that is free.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", Address(port))
}

// Address is a port of loopback as HOST:PORT.
func Address(port int) string { return net.JoinHostPort(Loopback, strconv.Itoa(port)) }

// Use is a port that something is to listen on.
type Use struct {
	Number int
	// Flag chooses another one; empty for those that nobody types.
	Flag string
}

// closeTime is how long a process that was killed may still hold its port.
const closeTime = 2 * time.Second

// AwaitFree is CheckFree for a port whose last holder may just be ending, or
// that another dev-up holds for a moment while it looks for free ones.
func (u Use) AwaitFree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		l, err := Listen(ctx, u.Number)
		if err == nil {
			return l.Close()
		}
		select {
		case <-ctx.Done():
			return u.CheckFree(context.WithoutCancel(ctx))
		case <-tick.C:
		}
	}
}

// CheckFree says, in one sentence, who has the port and what to do.
func (u Use) CheckFree(ctx context.Context) error {
	l, err := Listen(ctx, u.Number)
	if err == nil {
		return l.Close()
	}
	failure := fail.Failed("cannot listen on port %d: %w", u.Number, err)
	switch {
	case errors.Is(err, errTaken):
		failure = fail.Failed("port %d is taken by %s", u.Number, holder(ctx, u.Number))
	case errors.Is(err, errForbidden):
		failure = fail.Failed("port %d %s", u.Number, forbidden)
	}
	if u.Flag == "" {
		return failure.WithFix("stop that process, or begin anew: kubectl tlsgw dev-down, then kubectl tlsgw dev-up")
	}
	return failure.WithFix("%s", u.Fix(ctx))
}

// Fix is the command with a port that is free.
func (u Use) Fix(ctx context.Context) string {
	return fmt.Sprintf("kubectl tlsgw dev-up %s %d    # or another free port", u.Flag, freeNear(ctx, u.Number))
}

// holder names the process that listens on a port, as far as this user may
// know it.
func holder(ctx context.Context, port int) string {
	const unknown = "another process"
	connections, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return unknown
	}
	for _, c := range connections {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || c.Pid == 0 {
			continue
		}
		p, err := process.NewProcessWithContext(ctx, c.Pid)
		if err != nil {
			return unknown
		}
		name, err := p.NameWithContext(ctx)
		if err != nil {
			return unknown
		}
		return fmt.Sprintf("%s (pid %d)", name, c.Pid)
	}
	return unknown
}

// nearby bounds the search for a free port to propose.
const nearby = 20

func freeNear(ctx context.Context, port int) int {
	for candidate := max(port, 1024) + 1; candidate <= min(port+nearby, 65535); candidate++ {
		if l, err := Listen(ctx, candidate); err == nil {
			_ = l.Close() // it was only a question
			return candidate
		}
	}
	return port
}
