package originate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// helloTimeout bounds connecting and shaking hands.
const helloTimeout = 10 * time.Second

// contact is what came of shaking hands with the backend.
type contact struct {
	// presented is nil when nothing was.
	presented *probe.Presented
	// dialErr and handshakeErr say why.
	dialErr      error
	handshakeErr *probe.HandshakeError
	// widest is what the backend speaks when nothing is ruled out, after a
	// handshake within the policy's limits found no version or cipher in common.
	widest *probe.Presented
}

// shakeHands offers what Envoy would offer.
func (r *run) shakeHands(ctx context.Context, serverName string) (contact, error) {
	hello := probe.Hello{
		ServerName: serverName, ALPN: r.spec.ALPN,
		MinVersion: version(r.spec.MinTLS, tls.VersionTLS12),
		MaxVersion: version(r.spec.MaxTLS, tls.VersionTLS13),
		// What Envoy does not offer must not verify here.
		CipherSuites: probe.CipherSuites(r.spec.Ciphers),
	}
	hello.MinVersion = min(hello.MinVersion, hello.MaxVersion)
	found, err := r.shakeHandsOnce(ctx, hello)
	if err != nil {
		return found, err
	}
	if failure := found.handshakeErr; failure != nil &&
		(failure.Failure == probe.ProtocolVersion || failure.Failure == probe.HandshakeRefused) {
		again, err := r.shakeHandsOnce(ctx, probe.Hello{ServerName: serverName})
		if err != nil {
			return found, err
		}
		found.widest = again.presented
	}
	return found, nil
}

func (r *run) shakeHandsOnce(ctx context.Context, hello probe.Hello) (contact, error) {
	limited, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	conn, err := r.backend.dial(limited)
	if ctx.Err() != nil {
		return contact{}, fail.Interrupted(ctx.Err())
	}
	if failure, ok := errors.AsType[*fail.Error](err); ok {
		return contact{}, failure // the cluster does not let us, or is gone
	}
	if err != nil {
		return contact{dialErr: err}, nil
	}
	presented, err := probe.Handshake(limited, conn, hello)
	if ctx.Err() != nil {
		return contact{}, fail.Interrupted(ctx.Err())
	}
	if failure, ok := errors.AsType[*probe.HandshakeError](err); ok {
		return contact{presented: failure.Presented, handshakeErr: failure}, nil
	}
	if err != nil {
		return contact{}, fmt.Errorf("shake hands with %s: %w", r.spec.Target, err)
	}
	return contact{presented: presented}, nil
}

func version(text string, otherwise uint16) uint16 {
	versions := map[string]uint16{
		"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
	}
	if v, ok := versions[text]; ok {
		return v
	}
	return otherwise
}

// contactFinding judges a contact that did not come about; nil for a good one.
func (r *run) contactFinding() *finding {
	if err := r.contact.dialErr; err != nil {
		return r.dialFinding(err)
	}
	if err := r.contact.handshakeErr; err != nil {
		return r.handshakeFinding(err)
	}
	return nil
}

func (r *run) dialFinding(err error) *finding {
	target := r.spec.Target
	found := &finding{message: fmt.Sprintf("%s cannot be reached", target), details: []string{err.Error()}, warning: r.backend.outside}
	if errors.Is(err, kube.ErrNoEndpoints) {
		found.code = diagnose.NoEndpoints
		found.message, found.details = fmt.Sprintf("%s port %d has no ready endpoints", target, r.backend.port), nil
		found.fix = fmt.Sprintf("kubectl get endpointslices -n %s -l kubernetes.io/service-name=%s", r.spec.Namespace, target.Name)
		return found
	}
	found.fix = r.dialFix()
	if errors.Is(err, kube.ErrMayNotForward) {
		found.fix = fmt.Sprintf("kubectl auth can-i create pods/portforward -n %s    # then ask for that right", r.spec.Namespace)
		return found
	}
	switch probe.ClassifyDial(err) {
	case probe.Refused:
		found.code = diagnose.ConnectionRefused
		found.message = fmt.Sprintf("%s refuses connections: nothing listens there", target)
		found.fix = "check that the backend runs, and on which port"
	case probe.Timeout:
		found.code = diagnose.ConnectTimeout
	case probe.NameNotResolved:
		found.code = diagnose.NameNotResolved
		found.fix = "check the name, and that a name server knows it"
	case probe.Reset, probe.Closed:
		found.code = diagnose.ConnectionReset
	default:
	}
	if found.warning {
		found.details = append(found.details, "seen from this machine; the gateway may see it differently")
	}
	return found
}

// dialFix is where to look for why no connection came about.
func (r *run) dialFix() string {
	if r.backend.outside {
		return "check host and port, and that no firewall is in between"
	}
	return fmt.Sprintf("kubectl get service,endpointslices,pods -n %s    # does a pod listen on the target port?", r.spec.Namespace)
}

func (r *run) handshakeFinding(err *probe.HandshakeError) *finding {
	target := r.spec.Target
	found := &finding{message: fmt.Sprintf("%s does not complete a TLS handshake: %v", target, err.Err)}
	switch err.Failure {
	case probe.Refused: // through a port-forward it shows this late
		return r.dialFinding(err)
	case probe.NotTLS:
		found.code = diagnose.NotTLS
		found.message = fmt.Sprintf("%s speaks plaintext on that port, not TLS", target)
		if err.Answer != "" {
			found.details = []string{fmt.Sprintf("it answered: %.60q", err.Answer)}
		}
		found.fix = "choose the port that speaks TLS (--port), or let the backend speak TLS"
	case probe.ProtocolVersion:
		r.versionFinding(found)
	case probe.UnrecognizedName:
		found.code = diagnose.SNIRejected
		found.message = fmt.Sprintf("%s does not serve the name %q", target, r.spec.SNI)
		found.fix = "give the name that it serves with --sni"
	case probe.CertificateRequired:
		found.code = diagnose.ClientCertificateRequired
		found.message = fmt.Sprintf("%s wants a client certificate", target)
		found.offer = []string{"client-cert", "secret/NAME"}
		found.why = "a Secret with tls.crt, tls.key and ca.crt"
		found.warning = r.spec.ClientCertificate != ""
	case probe.NoApplicationProtocol:
		found.code = diagnose.ALPNMismatch
		found.message = fmt.Sprintf("%s speaks none of the offered protocols: %s", target, joined(r.spec.ALPN))
		found.offer = []string{"alpn", ""}
	case probe.HandshakeRefused:
		r.cipherFinding(found)
	case probe.Timeout:
		found.code = diagnose.HandshakeTimeout
		found.message = fmt.Sprintf("%s takes the connection, and does not answer a TLS handshake", target)
		found.fix = "check that the backend speaks TLS on that port, and what its log says"
	case probe.Reset, probe.Closed:
		found.code = diagnose.ConnectionReset
		found.fix = "check that the backend speaks TLS on that port, and what its log says"
	default:
	}
	return found
}

// versionFinding offers the version that the backend does speak.
func (r *run) versionFinding(found *finding) {
	found.code = diagnose.ProtocolVersionMismatch
	lowest := r.spec.MinTLS
	if lowest == "" {
		lowest = "1.2 (Envoy's default)"
	}
	found.message = fmt.Sprintf("%s speaks no version of TLS from %s on", r.spec.Target, lowest)
	if r.spec.MaxTLS != "" {
		found.message = fmt.Sprintf("%s speaks no version of TLS from %s to %s", r.spec.Target, lowest, r.spec.MaxTLS)
	}
	if r.contact.widest == nil {
		return
	}
	spoken := tls.VersionName(r.contact.widest.Version)
	found.details = []string{"it speaks " + spoken}
	number := spoken[len("TLS "):]
	if r.contact.widest.Version < version(r.spec.MinTLS, tls.VersionTLS12) {
		found.offer = []string{"min-tls", number}
		if name := probe.CipherName(r.contact.widest.CipherSuite); r.contact.widest.Version < tls.VersionTLS12 && name != "" {
			// The ciphers that Envoy offers by default need TLS 1.2.
			found.offer = append(found.offer, "cipher", name)
			found.why = "or, safer, let the backend speak TLS 1.2"
		}
	} else {
		found.offer = []string{"max-tls", number}
	}
}

// cipherFinding offers the cipher suite that the backend does speak.
func (r *run) cipherFinding(found *finding) {
	found.code = diagnose.CipherMismatch
	if r.contact.widest == nil {
		return
	}
	name := probe.CipherName(r.contact.widest.CipherSuite)
	if name == "" {
		return
	}
	found.message = fmt.Sprintf("%s takes none of the cipher suites that Envoy would offer", r.spec.Target)
	found.details = []string{fmt.Sprintf("it speaks %s with %s", tls.VersionName(r.contact.widest.Version), name)}
	found.offer = []string{"cipher", name}
}
