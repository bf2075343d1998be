package backend

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// recordTypeHandshake is the first byte of a TLS connection.
const recordTypeHandshake = 0x16

// conn is a connection of which it is known what it speaks.
type conn struct {
	net.Conn
	generation int
	// state is nil for plaintext.
	state *tls.ConnectionState
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// peeked gives back the byte that was read ahead.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

// queue is the listener of the http.Server: it hands out connections that are
// ready, so that one that is slow to begin stops no other.
type queue struct{ server *Server }

func (q queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.server.accepted:
		return c, nil
	case <-q.server.closed:
		return nil, net.ErrClosed
	}
}

func (q queue) Close() error { return q.server.listener.Close() }

func (q queue) Addr() net.Addr { return q.server.listener.Addr() }

func (s *Server) acceptAll() {
	defer close(s.closed)
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.begin(raw)
	}
}

// begin finds out what a connection speaks, counts it and shakes hands.
func (s *Server) begin(raw net.Conn) {
	ready := s.open(raw)
	if ready == nil {
		_ = raw.Close()
		return
	}
	select {
	case s.accepted <- ready:
	case <-s.closed:
		_ = raw.Close()
	}
}

func (s *Server) open(raw net.Conn) *conn {
	if err := raw.SetDeadline(time.Now().Add(firstBytesTimeout)); err != nil {
		return nil
	}
	reader := bufio.NewReader(raw)
	first, err := reader.Peek(1)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	config, generation := s.tls, s.generation
	s.mu.Unlock()
	opened := &conn{Conn: peeked{raw, reader}, generation: generation}
	if first[0] != recordTypeHandshake {
		s.count(func(c *Counts) { c.Plaintext++ })
	} else if config != nil {
		secured := tls.Server(opened.Conn, s.recording(config))
		if err := secured.Handshake(); err != nil { //nolint:noctx // the deadline above bounds it
			s.count(func(c *Counts) { c.Refused++ })
			return nil
		}
		s.count(func(c *Counts) { c.Handshakes++ })
		state := secured.ConnectionState()
		opened.Conn, opened.state = secured, &state
	}
	// A server without TLS reads a ClientHello as a bad request, as they do.
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil
	}
	return opened
}

// recording notes the server name of every ClientHello, whatever becomes of
// the handshake.
func (s *Server) recording(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.snis[hello.ServerName] = struct{}{}
		return nil, nil //nolint:nilnil // crypto/tls: no other configuration
	}
	return config
}
