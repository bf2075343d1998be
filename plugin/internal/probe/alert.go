package probe

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"unicode"
)

// Alerts of RFC 8446, section 6, that tell something about the set-up.
const (
	alertHandshakeFailure     = 40
	alertNoCertificate        = 41
	alertBadCertificate       = 42
	alertProtocolVersion      = 70
	alertInsufficientSecurity = 71
	alertUnrecognizedName     = 112
	alertCertificateRequired  = 116
	alertNoApplicationProto   = 120
)

func classifyHandshake(err error, presented *Presented, answer string) *HandshakeError {
	e := &HandshakeError{Presented: presented, Err: err}
	e.Failure = failureOf(err, presented != nil && presented.AsksClientCertificate)
	if e.Failure == NotTLS {
		e.Answer = answer
	}
	return e
}

func failureOf(err error, asked bool) Failure {
	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		return NotTLS
	}
	if alert, ok := remoteAlert(err); ok {
		return failureOfAlert(alert, asked)
	}
	switch {
	case isTimeout(err):
		return Timeout
	// Go's client words it so when the server picks a version that was not
	// offered; there is no type for it.
	case strings.Contains(err.Error(), "unsupported protocol version"),
		strings.Contains(err.Error(), "selected unsupported version"):
		return ProtocolVersion
	case asked && (isReset(err) || errors.Is(err, io.EOF)):
		return CertificateRequired
	case isReset(err):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	}
	return Other
}

func failureOfAlert(alert uint8, asked bool) Failure {
	switch alert {
	case alertProtocolVersion:
		return ProtocolVersion
	case alertUnrecognizedName:
		return UnrecognizedName
	case alertCertificateRequired:
		return CertificateRequired
	case alertNoApplicationProto:
		return NoApplicationProtocol
	case alertHandshakeFailure, alertNoCertificate, alertBadCertificate:
		// Before TLS 1.3 there was no alert of its own for a missing client
		// certificate.
		if asked {
			return CertificateRequired
		}
		return HandshakeRefused
	case alertInsufficientSecurity:
		return HandshakeRefused
	}
	return Other
}

// remoteAlert finds the alert that the peer sent. crypto/tls keeps its alert
// type to itself, so it is recognised by the text that tls.AlertError has for
// the same number.
func remoteAlert(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	for alert := range 256 {
		if op.Err.Error() == tls.AlertError(alert).Error() { // #nosec G115 -- 0 to 255
			return uint8(alert), true // #nosec G115 -- 0 to 255
		}
	}
	return 0, false
}

// printable makes peer bytes safe for a terminal: one line, no control
// characters.
func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return '.'
		}
		return r
	}, string(b))
	return strings.TrimSpace(strings.Join(strings.Fields(s), " "))
}
