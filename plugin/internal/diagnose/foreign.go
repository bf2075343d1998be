package diagnose

import (
	"fmt"
	"strings"
)

// foreignHint is the step for a policy that originate did not make, or would
// write otherwise: originate would refuse to write another beside it, or take
// away what it does not know. It is empty where the usual hint
// does not touch the policy.
func (e *Evidence) foreignHint(code Code) string {
	switch code {
	case RouteMissing:
		return e.kubectl("get httproutes    # let a rule of one have backendRef %s, or write one", e.Target.ref())
	case HostnameMismatch:
		name := e.presentedDNS()
		if name != "" && e.Policy.Kind == "BackendTLSPolicy" && strings.HasSuffix(e.Identity.Field, " validation.hostname") {
			return e.kubectl(`patch %s --type merge -p '{"spec":{"validation":{"hostname":"%s"}}}'`, e.policyRef(), name)
		}
		if name != "" {
			return e.edit("the certificate is for " + name)
		}
	case VerificationDisabled:
		if e.Trust.None {
			return e.edit("refer to a CA that verifies the backend")
		}
	case CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid, UnknownAuthority:
		return e.edit("refer to a CA that verifies the backend")
	case NotTLS:
		return e.kubectl("delete %s    # or let it target the port that speaks TLS", e.policyRef())
	case ProtocolVersionMismatch:
		return e.edit(fmt.Sprintf("allow TLS %s, or let the backend speak what it allows", e.lowestPresented()))
	case ClientCertificateRequired, SNIRejected, CipherMismatch, ALPNMismatch:
		return e.edit("change what the backend does not take")
	default:
	}
	return ""
}

func (e *Evidence) edit(what string) string {
	return e.kubectl("edit %s    # %s", e.policyRef(), what)
}
