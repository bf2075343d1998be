package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
)

// Dialer opens one new connection to a place that it knows.
type Dialer func(ctx context.Context) (net.Conn, error)

// Failure says in which way a connection or a handshake failed.
type Failure string

// The ways to fail, as far as they can be told apart from outside.
const (
	// Refused: nothing listens there.
	Refused Failure = "refused"
	// Timeout: no answer in time.
	Timeout Failure = "timeout"
	// Reset: the peer reset the connection.
	Reset Failure = "reset"
	// Closed: the peer closed the connection without a TLS alert.
	Closed Failure = "closed"
	// NameNotResolved: DNS knows no such host.
	NameNotResolved Failure = "name-not-resolved"
	// NotTLS: the peer answered with something that is not TLS.
	NotTLS Failure = "not-tls"
	// ProtocolVersion: no TLS version in common (alert 70).
	ProtocolVersion Failure = "protocol-version"
	// HandshakeRefused: no other parameters in common, most often no cipher
	// suite (alerts 40 and 71).
	HandshakeRefused Failure = "handshake-failure"
	// UnrecognizedName: the peer does not serve that SNI (alert 112).
	UnrecognizedName Failure = "unrecognized-name"
	// CertificateRequired: the peer wants a client certificate (alert 116,
	// or a refusal after it asked for one).
	CertificateRequired Failure = "certificate-required"
	// NoApplicationProtocol: no ALPN protocol in common (alert 120).
	NoApplicationProtocol Failure = "no-application-protocol"
	// Other: anything else; the error's text says what.
	Other Failure = "other"
)

// ClassifyDial says how dialling failed.
func ClassifyDial(err error) Failure {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return NameNotResolved
	case isAny(err, errRefused, syscall.ECONNREFUSED):
		return Refused
	case isTimeout(err):
		return Timeout
	case isReset(err):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	}
	return Other
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		isAny(err, errTimedOut, syscall.ETIMEDOUT) || errors.As(err, &netErr) && netErr.Timeout()
}

func isReset(err error) bool {
	return isAny(err, errReset, errAborted, syscall.ECONNRESET, syscall.EPIPE)
}

// isAny tells whether err is one of those numbers: this machine's, or the POSIX
// ones by which package kube tells what a pod's sockets said.
func isAny(err error, numbers ...syscall.Errno) bool {
	return slices.ContainsFunc(numbers, func(n syscall.Errno) bool { return errors.Is(err, n) })
}
