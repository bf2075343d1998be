package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const loopback = "127.0.0.1"

// ports are those that nobody types. The sample's is known to its EndpointSlice
// only: were it that of svc/nginx, two dev clusters would be after the same one.
type ports struct {
	Etcd      int `json:"etcd"`
	EtcdPeer  int `json:"etcdPeer"`
	APIServer int `json:"apiserver"`
	XDS       int `json:"xds"`
	Health    int `json:"health"`
	Sample    int `json:"sample"`
}

// The parts listen below the range from which systems take the local ports of
// outgoing connections: there a port that is free for a moment, while a part
// is started again, could be gone.
const firstPort, endPort = 20000, 32768

// choosePorts finds free ports, all different.
func choosePorts(ctx context.Context, random io.Reader) (chosen ports, err error) {
	var seed [2]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return ports{}, fmt.Errorf("read randomness: %w", err)
	}
	next := firstPort + int(binary.BigEndian.Uint16(seed[:]))%(endPort-firstPort)
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	hold := func(port int) bool {
		l, err := listen(ctx, port)
		if err == nil {
			held = append(held, l)
		}
		return err == nil
	}
	wanted := []*int{&chosen.Etcd, &chosen.EtcdPeer, &chosen.APIServer, &chosen.XDS, &chosen.Health, &chosen.Sample}
	for range endPort - firstPort {
		if len(wanted) == 0 {
			return chosen, nil
		}
		if hold(next) {
			*wanted[0] = next
			wanted = wanted[1:]
		}
		if next++; next == endPort {
			next = firstPort
		}
	}
	return ports{}, fmt.Errorf("no free port on %s from %d to %d", loopback, firstPort, endPort-1)
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address(port))
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// portUse is a port that a part listens on.
type portUse struct {
	number int
	// flag chooses another one; empty for those that nobody types.
	flag string
}

// closeTime is how long a process that was killed may still hold its port.
const closeTime = 2 * time.Second

// awaitFree is checkFree for a port whose last holder may just be ending, or
// that another dev-up holds for a moment while it looks for free ones.
func (u portUse) awaitFree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		l, err := listen(ctx, u.number)
		if err == nil {
			return l.Close()
		}
		select {
		case <-ctx.Done():
			return u.checkFree(context.WithoutCancel(ctx))
		case <-tick.C:
		}
	}
}

// checkFree says, in one sentence, who has the port and what to do.
func (u portUse) checkFree(ctx context.Context) error {
	l, err := listen(ctx, u.number)
	if err == nil {
		return l.Close()
	}
	failure := fail.Failed("cannot listen on port %d: %w", u.number, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		failure = fail.Failed("port %d is taken by %s", u.number, holder(ctx, u.number))
	case errors.Is(err, syscall.EACCES):
		failure = fail.Failed("port %d needs privileges that you do not have", u.number)
	}
	if u.flag == "" {
		return failure.WithFix("stop that process, or begin anew: kubectl tlsgw dev-down, then kubectl tlsgw dev-up")
	}
	return failure.WithFix("kubectl tlsgw dev-up %s %d    # or another free port", u.flag, freeNear(ctx, u.number))
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
		if l, err := listen(ctx, candidate); err == nil {
			_ = l.Close() // it was only a question
			return candidate
		}
	}
	return port
}
