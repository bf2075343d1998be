package xds

import (
	"time"

	"google.golang.org/grpc"
)

// admitting lets streams in, or turns them away.
func (s *Server) admitting(open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = !open
}

// drain stops the server once all streams have ended. It tells the proxies
// first that their connections go away: a proxy whose stream ended before that
// would open the next one on the same connection.
func (s *Server) drain(server *grpc.Server) {
	s.admitting(false)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.GracefulStop()
	}()
	s.disconnect(stopped)
	stop := time.AfterFunc(drainTimeout, server.Stop)
	defer stop.Stop()
	<-stopped
}

// disconnect ends all streams, evenly over DrainOver.
func (s *Server) disconnect(stopped <-chan struct{}) {
	var streams []*stream
	s.eachGateway(func(g *gateway) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for each := range g.streams {
			streams = append(streams, each)
		}
	})
	if len(streams) > 0 && s.options.DrainOver > 0 {
		tick := time.NewTicker(max(s.options.DrainOver/time.Duration(len(streams)), 1))
		defer tick.Stop()
		for _, each := range streams {
			each.cancel(errShutdown())
			select {
			case <-tick.C:
			case <-stopped:
			}
		}
	}
	// And those that were being admitted.
	s.eachGateway(func(g *gateway) { g.disconnect(errShutdown()) })
}

func (s *Server) eachGateway(f func(*gateway)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gateways {
		f(g.gateway)
	}
}
