package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

// symptom is a text in Envoy's answer for a failed connection, and what it
// means when nothing more is known.
type symptom struct {
	text string
	code Code
	// also are the codes that look the same to Envoy.
	also []Code
}

// agrees says whether a direct handshake's finding explains the symptom.
func (s symptom) agrees(code Code) bool {
	return code == s.code || slices.Contains(s.also, code)
}

// certificates are the causes of a certificate that does not verify,
// handshakes those of a handshake that is refused.
func certificates() []Code {
	return []Code{
		UnknownAuthority, IncompleteChain, CertificateExpired, CertificateNotYetValid, KeyUsageInvalid,
		WeakCertificate, CAExpired, CANotYetValid,
	}
}

func handshakes() []Code {
	return []Code{CipherMismatch, ProtocolVersionMismatch, SNIRejected, ClientCertificateRequired, ALPNMismatch}
}

// symptoms, the more exact first. The texts are BoringSSL's error names and
// Envoy's own ("upstream connect error or disconnect/reset before headers").
func symptoms() []symptom {
	broken := append(handshakes(), NotTLS, HandshakeTimeout, ConnectionReset, ConnectionRefused, ConnectTimeout)
	return []symptom{
		{text: "certificate has expired", code: CertificateExpired, also: []Code{CAExpired}},
		{text: "certificate is not yet valid", code: CertificateNotYetValid, also: []Code{CANotYetValid}},
		{text: "SAN matcher", code: HostnameMismatch},
		{text: "certificate purpose", code: KeyUsageInvalid},
		{text: "KEY_USAGE", code: KeyUsageInvalid},
		{text: "CERTIFICATE_VERIFY_FAILED", code: UnknownAuthority, also: append(certificates(), HostnameMismatch)},
		{text: "WRONG_VERSION_NUMBER", code: NotTLS},
		{text: "HTTP_REQUEST", code: NotTLS},
		{text: "PROTOCOL_VERSION", code: ProtocolVersionMismatch},
		{text: "UNSUPPORTED_PROTOCOL", code: ProtocolVersionMismatch},
		{text: "UNRECOGNIZED_NAME", code: SNIRejected},
		{text: "CERTIFICATE_REQUIRED", code: ClientCertificateRequired},
		{text: "ALERT_BAD_CERTIFICATE", code: ClientCertificateRequired},
		{text: "NO_APPLICATION_PROTOCOL", code: ALPNMismatch},
		{text: "HANDSHAKE_FAILURE", code: CipherMismatch, also: handshakes()},
		{text: "INSUFFICIENT_SECURITY", code: CipherMismatch, also: handshakes()},
		{text: "Connection refused", code: ConnectionRefused},
		{text: "connection timeout", code: ConnectTimeout, also: []Code{HandshakeTimeout, ConnectionRefused}},
		{text: "no healthy upstream", code: NoEndpoints, also: []Code{NameNotResolved}},
		{text: "TLS_error", code: ConnectionReset, also: broken},
		{text: "Connection reset by peer", code: ConnectionReset, also: broken},
	}
}

// silences are what Envoy says when it keeps the reason to itself, as it does
// since 1.37: then the counters decide what kind of failure it was.
func silences() []symptom {
	broken := append(handshakes(), NotTLS, HandshakeTimeout, ConnectionReset, ConnectionRefused, ConnectTimeout)
	return []symptom{
		{text: "connection termination", code: ConnectionReset, also: broken},
		{text: "connection failure", code: ConnectionReset, also: broken},
	}
}

// symptom finds what Envoy said about the backend, else what it counted.
func (e *Evidence) symptom() (symptom, bool) {
	if s, found := e.says(symptoms()); found {
		return s, true
	}
	risen := e.Live.Risen()
	switch {
	case risen["ssl.fail_verify_san"] > 0:
		return symptom{code: HostnameMismatch}, true
	case risen["ssl.fail_verify_error"] > 0:
		return symptom{code: UnknownAuthority, also: certificates()}, true
	case risen["upstream_cx_connect_timeout"] > 0:
		return symptom{code: ConnectTimeout, also: []Code{HandshakeTimeout, ConnectionRefused}}, true
	}
	return e.says(silences())
}

// says is the first symptom that an answer of Envoy's own has.
func (e *Evidence) says(among []symptom) (symptom, bool) {
	for _, x := range e.Requests {
		if x.Expected || x.Status < 500 {
			continue
		}
		for _, s := range among {
			if strings.Contains(x.Body, s.text) {
				return s, true
			}
		}
	}
	return symptom{}, false
}

// fromSymptom is the finding when Envoy alone saw the failure.
func (e *Evidence) fromSymptom(s symptom) Finding {
	f := Finding{Code: s.code, Message: fmt.Sprintf("Envoy cannot connect to %s: %s", e.Target, s.meaning())}
	switch s.code.Stage() {
	case StageCertificate:
		f.Expected = "a certificate of " + e.Trust.String()
		if s.code == HostnameMismatch {
			f.Expected = e.Identity.String()
		}
	case StageHandshake:
		f.Expected = "a TLS handshake"
	default:
		f.Expected = "a connection"
	}
	if e.Direct == nil || e.Direct.Presented == nil || len(e.Direct.Presented.Chain) == 0 {
		return f
	}
	chain := e.Direct.Presented.Chain
	f.Presented = Leaf(chain[0])
	if s.code.Stage() == StageCertificate && len(Chain(chain, e.Trust, e.Identity, e.Now)) == 0 {
		f.Message += "; a direct handshake verifies, so Envoy may hold another trust bundle, or have met another endpoint"
	}
	return f
}

func (s symptom) meaning() string {
	switch {
	case s.text != "":
		return s.text
	case s.code == ConnectTimeout:
		return "it does not answer in time"
	}
	return "the certificate does not verify"
}

// envoySays is what Envoy counted and answered.
func (e *Evidence) envoySays() string {
	return strings.Join(append(e.counted(), e.quoted()...), "; ")
}

// counted are the counters that rose and tell of a failure.
func (e *Evidence) counted() []string {
	var parts []string
	risen := e.Live.Risen()
	for _, name := range []string{
		"ssl.fail_verify_san", "ssl.fail_verify_error", "ssl.fail_verify_no_cert", "ssl.fail_verify_cert_hash",
		"ssl.connection_error", "upstream_cx_connect_timeout", "upstream_cx_connect_fail", "upstream_cx_none_healthy",
	} {
		if n := risen[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s +%d", name, n))
		}
	}
	return parts
}

// quoted is the first answer that was not expected.
func (e *Evidence) quoted() []string {
	for _, x := range e.Requests {
		if !x.Expected && x.Status > 0 {
			says := fmt.Sprint(x.Status)
			if reason := reasonOf(x.Body); reason != "" {
				says += fmt.Sprintf(" %q", reason)
			}
			return []string{says}
		}
	}
	return nil
}

// reasonOf takes the telling part out of Envoy's long sentence.
func reasonOf(body string) string {
	const longest = 110
	for _, before := range []string{"transport failure reason: ", "reset reason: "} {
		if _, reason, found := strings.Cut(body, before); found {
			body = reason
			break
		}
	}
	if at := strings.Index(body, "OPENSSL_internal:"); at >= 0 {
		body = body[at+len("OPENSSL_internal:"):]
	}
	return head(strings.TrimSuffix(body, ":TLS_error_end"), longest)
}
