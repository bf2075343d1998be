// Package xds serves Envoy resources to the proxies of each Gateway, over
// delta and SOTW ADS with mutual TLS. In come the resources that a Gateway's
// proxies shall run (Publish); out goes to each proxy what has changed, in an
// order in which no request meets a half-changed configuration, and what the
// proxies have answered (State).
//
// The order is make before break. New clusters with their endpoints and
// secrets go first; when the proxies have acknowledged them, which Envoy does
// when they are warm, the routes and listeners that use them follow; and what
// these no longer use is removed after a grace. Changes of endpoints and
// secrets alone go at once. See step.
//
// go-control-plane holds the resources (one LinearCache per type and Gateway)
// and speaks the protocols. What is added around it is the order, exact
// knowledge of what every proxy has answered, and remedies for what goes wrong
// between it and Envoy: see CreateDeltaWatch, CreateWatch, deltaStream.Send,
// kind.splits and returning.
package xds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	defaultAckTimeout  = 5 * time.Second
	defaultRemoveGrace = time.Second

	// maxRequest is for a delta client that connects again: it names all it
	// has with versions.
	maxRequest = 32 << 20

	// A peer that is gone without a word is found within their sum.
	keepaliveTime, keepaliveTimeout = 20 * time.Second, 10 * time.Second
	// minClientPing allows the pings of the bootstrap's keepalive.
	minClientPing = 10 * time.Second
	// drainTimeout bounds how long streams that were ended may take to end.
	drainTimeout = 2 * time.Second
)

// Options of a Server.
type Options struct {
	Logger logr.Logger
	// TLS is TLSFiles, or an authority of the controller's own.
	TLS TLSSource
	// AckTimeout bounds how long proxies that do not answer hold up a change
	// for the others of their Gateway. Zero means 5 s.
	AckTimeout time.Duration
	// RemoveGrace passes between the moment when nothing uses a resource any
	// more and its removal. Zero means 1 s.
	RemoveGrace time.Duration
	// DrainOver is the time over which the ends of the streams are spread when
	// Serve ends, so that the proxies do not all come to another server at
	// once. Zero ends them at once.
	DrainOver time.Duration
	// MaxAge is when, give or take a tenth, a proxy is asked to connect anew,
	// so that proxies spread over servers that came later; MaxAgeGrace later it
	// is made to. Zero lets connections be.
	MaxAge, MaxAgeGrace time.Duration
	// Observer is told what goes on. Nil: nobody is.
	Observer Observer
	// ServerOptions are added to the gRPC server's, for its statistics.
	ServerOptions []grpc.ServerOption
}

// Observer counts. Its methods are called by many goroutines and must return
// quickly.
type Observer interface {
	// Sent is called for every response to a proxy.
	Sent(typeURL string)
	// Answered is called for every answer to one.
	Answered(typeURL string, accepted bool)
	// Pushed is called when a change is first sent to a proxy that was there
	// before, with the time since Publish.
	Pushed(after time.Duration)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Sent(string)           { /* Nobody asks. */ }
func (nobody) Answered(string, bool) { /* Nobody asks. */ }
func (nobody) Pushed(time.Duration)  { /* Nobody asks. */ }

// Server is an ADS server for many Gateways.
type Server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	options Options
	changed chan struct{}
	// ctx ends with Close.
	ctx   context.Context
	close context.CancelFunc
	runs  sync.WaitGroup

	mu       sync.Mutex
	gateways map[ir.Name]*running
	// draining: no stream is admitted any more.
	draining bool
}

// running is a gateway and the end of its run.
type running struct {
	*gateway
	stop context.CancelFunc
}

// New makes a Server that knows no Gateway. Close must be called in the end.
func New(o Options) *Server {
	o.AckTimeout = cmp.Or(o.AckTimeout, defaultAckTimeout)
	o.RemoveGrace = cmp.Or(o.RemoveGrace, defaultRemoveGrace)
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		options:  o,
		changed:  make(chan struct{}, 1),
		ctx:      ctx,
		close:    cancel,
		gateways: map[ir.Name]*running{},
	}
}

// Close ends all streams and waits until nothing of the Server runs but calls
// of Serve, which the end of their context ends.
func (s *Server) Close() {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.runs.Wait()
}

// Serve answers proxies on the listener until the context ends; then it closes
// the listener and ends the proxies' streams over DrainOver. They keep what they
// have, and connect anew.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	tlsConfig, err := s.options.TLS.Config()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := grpc.NewServer(append(slices.Clone(s.options.ServerOptions),
		grpc.Creds(credentials.NewTLS(tlsConfig)),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout,
			MaxConnectionAge: s.options.MaxAge, MaxConnectionAgeGrace: s.options.MaxAgeGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
	)...)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, s)
	s.admitting(true)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		server.Stop()
		return fmt.Errorf("serve xDS: %w", err)
	case <-ctx.Done():
		s.drain(server)
		if err := <-failed; err != nil {
			return fmt.Errorf("stop serving xDS: %w", err)
		}
		return nil
	}
}

// Publish makes r what the Gateway's proxies shall run. It never blocks; the
// latest call wins. Neither r nor what it holds may be modified afterwards;
// protos that are the same values as in the call before cost least.
func (s *Server) Publish(gateway ir.Name, revision uint64, r *envoy.Resources) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	g, ok := s.gateways[gateway]
	if !ok {
		ctx, stop := context.WithCancel(s.ctx)
		g = &running{gateway: newGateway(gateway, s.options, s.signal), stop: stop}
		s.gateways[gateway] = g
		s.runs.Go(func() { g.run(ctx) })
	}
	g.publish(revision, r)
}

// Remove forgets a Gateway and ends the streams of its proxies. They keep
// what they have, and are turned away until it is published again.
func (s *Server) Remove(gateway ir.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.gateways[gateway]; ok {
		delete(s.gateways, gateway)
		g.stop()
		s.signal()
	}
}

// State is the state of one Gateway; the zero State if it is not published.
func (s *Server) State(gateway ir.Name) State {
	s.mu.Lock()
	g, ok := s.gateways[gateway]
	s.mu.Unlock()
	if !ok {
		return State{}
	}
	return g.currentState()
}

// States are the states of all published Gateways.
func (s *Server) States() map[ir.Name]State {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make(map[ir.Name]State, len(s.gateways))
	for name, g := range s.gateways {
		states[name] = g.currentState()
	}
	return states
}

// Changed receives a value after any State has changed. Signals coalesce.
func (s *Server) Changed() <-chan struct{} { return s.changed }

func (s *Server) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// admit makes the stream of a proxy that may have one.
func (s *Server) admit(ctx context.Context, cancel context.CancelCauseFunc, node *corev3.Node) (*stream, error) {
	name, err := identify(ctx, node)
	if err != nil {
		s.options.Logger.Info("A proxy is refused", "peer", peerAddress(ctx), "reason", status.Convert(err).Message())
		return nil, err
	}
	s.mu.Lock()
	g, ok := s.gateways[name]
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return nil, errShutdown()
	}
	if !ok {
		return nil, errUnpublished(name)
	}
	return newStream(g.gateway, peerAddress(ctx), cancel), nil
}

// checkNode refuses a request for another node on a stream that is admitted.
func (s *stream) checkNode(node *corev3.Node) error {
	own := contract.NodeID(s.gateway.name.Namespace, s.gateway.name.Name)
	if node != nil && node.GetId() != own {
		return status.Errorf(codes.PermissionDenied, "this stream is of node %q, not %q", own, node.GetId())
	}
	return nil
}

func peerAddress(ctx context.Context) string {
	if client, ok := peer.FromContext(ctx); ok {
		return client.Addr.String()
	}
	return ""
}

func errUnpublished(name ir.Name) error {
	return status.Errorf(codes.Unavailable, "gateway %s is not published yet", name)
}

func errShutdown() error { return status.Error(codes.Unavailable, "the server goes away") }

// outcome is the error with which a stream ends: the cause of its
// cancellation where that was ours.
func outcome(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err == nil && cause != nil {
		return cause
	}
	return err
}
