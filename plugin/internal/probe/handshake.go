package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// afterHandshake is how long a TLS 1.3 peer that asked for a client
// certificate may take to refuse the connection: its refusal comes only after
// the client's handshake is complete (RFC 8446, section 4.4.2.4).
const afterHandshake = time.Second

// maxAnswer bounds what is kept of an answer that is not TLS.
const maxAnswer = 256

// Hello is what the client offers in a handshake.
type Hello struct {
	// ServerName is the SNI; empty sends none.
	ServerName string
	// MinVersion and MaxVersion are tls.VersionTLS10 to tls.VersionTLS13; zero
	// is the widest that can be spoken.
	MinVersion, MaxVersion uint16
	// CipherSuites of TLS 1.2 and older; empty offers all that can be spoken.
	CipherSuites []uint16
	ALPN         []string
	// ClientCertificate is sent when asked for; nil sends none.
	ClientCertificate *tls.Certificate
}

// Presented is what the server showed in a handshake.
type Presented struct {
	// Chain is the chain as sent, leaf first. It is not verified.
	Chain []*x509.Certificate
	// Version and CipherSuite were negotiated.
	Version, CipherSuite uint16
	ALPN                 string
	// AsksClientCertificate: the server sent a certificate request.
	AsksClientCertificate bool
}

// HandshakeError is a handshake that failed.
type HandshakeError struct {
	Failure Failure
	// Answer is the start of what the peer said, for NotTLS.
	Answer string
	// Presented is what was seen before the failure; nil if nothing was.
	Presented *Presented
	Err       error
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("TLS handshake: %s: %v", e.Failure, e.Err)
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// Handshake shakes hands over conn and closes it. The chain is collected and
// not verified: that is diagnose's task, so that a bad certificate can be
// shown. A failure is a *HandshakeError. ctx bounds the time.
func Handshake(ctx context.Context, conn net.Conn, hello Hello) (*Presented, error) {
	seen := &witness{}
	recorded := &recorder{Conn: conn}
	client := tls.Client(recorded, seen.config(hello))
	defer func() { _ = conn.Close() }()
	// Not every connection honours deadlines (a port-forward's does not).
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	err := client.HandshakeContext(ctx)
	if err == nil && seen.asked() && client.ConnectionState().Version >= tls.VersionTLS13 {
		err = awaitRefusal(ctx, client)
	}
	presented := seen.presented()
	if err == nil {
		return presented, nil
	}
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	return nil, classifyHandshake(err, presented, recorded.first())
}

// awaitRefusal reads for a moment; silence or data means acceptance.
func awaitRefusal(ctx context.Context, client *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, afterHandshake)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		result <- err
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-result:
		if err == nil || errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// witness collects what a handshake shows, also of one that fails later.
type witness struct {
	mu    sync.Mutex
	state Presented
}

func (w *witness) config(hello Hello) *tls.Config {
	return &tls.Config{
		ServerName: hello.ServerName,
		NextProtos: hello.ALPN,
		MinVersion: cmpVersion(hello.MinVersion, tls.VersionTLS10),
		MaxVersion: cmpVersion(hello.MaxVersion, tls.VersionTLS13),
		// The point is to see what is presented, good or bad: diagnose judges.
		InsecureSkipVerify: true, // #nosec G402 -- nothing is sent over this connection
		CipherSuites:       suites(hello.CipherSuites),
		VerifyConnection: func(state tls.ConnectionState) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.state.Chain = state.PeerCertificates
			w.state.Version, w.state.CipherSuite = state.Version, state.CipherSuite
			w.state.ALPN = state.NegotiatedProtocol
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.state.AsksClientCertificate = true
			if hello.ClientCertificate != nil {
				return hello.ClientCertificate, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}

func (w *witness) asked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.AsksClientCertificate
}

func (w *witness) presented() *Presented {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.state.Chain) == 0 && !w.state.AsksClientCertificate {
		return nil
	}
	state := w.state
	return &state
}

func cmpVersion(version, widest uint16) uint16 {
	if version == 0 {
		return widest
	}
	return version
}

// suites offers also what Go leaves out by default, so that an old server is
// seen as it is.
func suites(chosen []uint16) []uint16 {
	if len(chosen) > 0 {
		return chosen
	}
	var all []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		all = append(all, s.ID)
	}
	return all
}

// recorder keeps the start of what the peer sends.
type recorder struct {
	net.Conn
	mu    sync.Mutex
	start []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := maxAnswer - len(r.start); room > 0 {
		r.start = append(r.start, p[:min(n, room)]...)
	}
	return n, err
}

func (r *recorder) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return printable(r.start)
}
