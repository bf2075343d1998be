package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const loopback = "127.0.0.1"

// preferredSamplePort is the port of svc/nginx; where it is taken the sample
// listens elsewhere, and only its EndpointSlice says so.
const preferredSamplePort = 8443

// ports are those that nobody types.
type ports struct {
	Etcd      int `json:"etcd"`
	EtcdPeer  int `json:"etcdPeer"`
	APIServer int `json:"apiserver"`
	XDS       int `json:"xds"`
	Health    int `json:"health"`
	Sample    int `json:"sample"`
}

// choosePorts finds free ports, all different.
func choosePorts(ctx context.Context) (chosen ports, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	free := func(wanted int) (int, error) {
		l, err := listen(ctx, wanted)
		if err != nil {
			return 0, err
		}
		held = append(held, l)
		return l.Addr().(*net.TCPAddr).Port, nil //nolint:errcheck // a TCP listener
	}
	if chosen.Sample, err = free(preferredSamplePort); err != nil {
		chosen.Sample, err = free(0)
	}
	for _, port := range []*int{&chosen.Etcd, &chosen.EtcdPeer, &chosen.APIServer, &chosen.XDS, &chosen.Health} {
		if err != nil {
			break
		}
		*port, err = free(0)
	}
	if err != nil {
		return ports{}, fmt.Errorf("find a free port on %s: %w", loopback, err)
	}
	return chosen, nil
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
