package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

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
	hold := func(number int) bool {
		l, err := port.Listen(ctx, number)
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
	return ports{}, fmt.Errorf("no free port on %s from %d to %d", port.Loopback, firstPort, endPort-1)
}
