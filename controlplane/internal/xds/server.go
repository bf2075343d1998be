// Package xds serves Envoy resources to the proxies of each Gateway.
package xds

import (
	"context"
	"net"
	"time"

	"github.com/go-logr/logr"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Options of a Server.
type Options struct {
	Logger logr.Logger
	TLS    TLSFiles
	// AckTimeout bounds how long proxies that do not answer hold up a change
	// for the others of their Gateway. Zero means 5 s.
	AckTimeout time.Duration
	// RemoveGrace passes between the moment when nothing uses a resource any
	// more and its removal. Zero means 1 s.
	RemoveGrace time.Duration
}

// TLSFiles are the PEM files of the server's mutual TLS. They are read again
// when they change.
type TLSFiles struct {
	// CA verifies the certificates of proxies.
	CA string
	// Certificate and Key are the server's own; the certificate has the DNS
	// SAN contract.XDSServerName.
	Certificate, Key string
}

// State is what the proxies of one Gateway have answered.
type State struct {
	// Connected counts the proxies with an open stream.
	Connected int
	// AckedRevision is the highest revision that every connected proxy has
	// answered in full: accepted, but for what Rejections name. It is zero
	// when no proxy is connected.
	AckedRevision uint64
	// Rejections are sorted by type and name.
	Rejections []Rejection
}

// Rejection is a NACK that still stands.
type Rejection struct {
	// TypeURL of the rejected resources.
	TypeURL string
	// Resources are the names that Envoy's message, or the response that it
	// answers, points to; empty where that cannot be told.
	Resources []string
	// Message is Envoy's.
	Message string
}

// Server is an ADS server for many Gateways.
type Server struct{}

// New makes a Server that knows no Gateway.
func New(o Options) *Server { return &Server{} }

// Serve answers proxies on the listener until the context ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return nil }

// Publish makes r what the Gateway's proxies shall run. It never blocks; the
// latest call wins.
func (s *Server) Publish(gateway ir.Name, revision uint64, r *envoy.Resources) {}

// Remove forgets a Gateway and ends the streams of its proxies, which keep
// what they have.
func (s *Server) Remove(gateway ir.Name) {}

// State is the state of one Gateway; the zero State if it is not published.
func (s *Server) State(gateway ir.Name) State { return State{} }

// States are the states of all published Gateways.
func (s *Server) States() map[ir.Name]State { return nil }

// Changed receives a value after any State has changed. Signals coalesce.
func (s *Server) Changed() <-chan struct{} { return nil }
