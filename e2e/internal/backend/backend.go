// Package backend is a server for gateways to be tested against. In goes a
// TLS configuration, which may be replaced while it serves; out come answers
// that repeat what was asked, and counts of what arrived: the first byte of
// each connection tells a TLS ClientHello from plaintext.
package backend

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// firstBytesTimeout ends connections that say nothing, or shake no hands.
const firstBytesTimeout = 10 * time.Second

// Answer is the JSON body of every 200.
type Answer struct {
	// Name is that of the server.
	Name string `json:"name"`
	Host string `json:"host"`
	Path string `json:"path"`
	// SNI and Version are empty where the request came in plaintext.
	SNI     string `json:"sni,omitempty"`
	Version string `json:"version,omitempty"`
}

// Options describe a Server.
type Options struct {
	Name string
	// TLS is nil for a server that speaks plaintext only. A server with TLS
	// answers plaintext with 400, as nginx does.
	TLS *tls.Config
}

// Counts are totals since the server began.
type Counts struct {
	// Plaintext connections: at a server with TLS each of them carried a
	// request that should not have been sent like that.
	Plaintext int
	// Handshakes were completed, Refused ones were not.
	Handshakes, Refused int
	// Requests were answered with 200.
	Requests int
}

// Server listens on a free port of 127.0.0.1.
type Server struct {
	name     string
	listener net.Listener
	http     *http.Server
	accepted chan net.Conn
	closed   chan struct{}

	mu         sync.Mutex
	tls        *tls.Config
	generation int
	counts     Counts
	snis       map[string]struct{}
}

// Listen starts a server; Close ends it.
func Listen(ctx context.Context, o Options) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start backend %s: %w", o.Name, err)
	}
	s := &Server{
		name: o.Name, listener: listener, tls: o.TLS,
		accepted: make(chan net.Conn), closed: make(chan struct{}),
		snis: map[string]struct{}{},
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: firstBytesTimeout,
		ConnContext:       withConn,
	}
	go s.acceptAll()
	go func() { _ = s.http.Serve(queue{s}) }()
	return s, nil
}

// Port is where the server listens.
func (s *Server) Port() int32 {
	address, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return int32(address.Port) // #nosec G115 -- ports fit
}

// Close ends the server and its connections.
func (s *Server) Close() error { return s.http.Close() }

// SetTLS replaces the configuration for connections from now on. Older
// connections end with their next answer, so that a client under way moves to
// the new configuration and loses no request.
func (s *Server) SetTLS(config *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls = config
	s.generation++
}

// Counts are the counts so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// SNIs are the server names that clients asked for, sorted; the empty string
// stands for those that named none.
func (s *Server) SNIs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.snis))
	for name := range s.snis {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// answer repeats the request.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		http.Error(w, "the connection is unknown", http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	wanted := s.tls != nil
	stale := c.generation != s.generation
	s.mu.Unlock()
	if stale {
		w.Header().Set("Connection", "close")
	}
	if wanted && c.state == nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "plaintext was sent to a port that speaks TLS", http.StatusBadRequest)
		return
	}
	s.count(func(c *Counts) { c.Requests++ })
	answer := Answer{Name: s.name, Host: r.Host, Path: r.URL.Path}
	if c.state != nil {
		answer.SNI = c.state.ServerName
		answer.Version = tls.VersionName(c.state.Version)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) count(add func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.counts)
}
