package diagnose

import (
	"fmt"
	"strings"
)

// foreignHint is the step for a policy that originate did not make: originate
// would refuse to write another beside it. It is empty where the usual hint
// does not touch the policy.
func (e *Evidence) foreignHint(code Code) string {
	switch code {
	case HostnameMismatch:
		name := e.presentedDNS()
		if name != "" && e.Policy.Kind == "BackendTLSPolicy" && strings.HasSuffix(e.Identity.Field, " validation.hostname") {
			return e.kubectl(`patch %s --type merge -p '{"spec":{"validation":{"hostname":"%s"}}}'`, e.policyRef(), name)
		}
		if name != "" {
			return e.edit("the certificate is for " + name)
		}
	case CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid, UnknownAuthority, VerificationDisabled:
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
