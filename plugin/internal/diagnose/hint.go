package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// hint is the one command or step that likely helps. What it names is taken
// from the evidence, so that it can be pasted.
func (e *Evidence) hint(code Code) string {
	if e.Policy != nil && e.Policy.Foreign {
		if hint := e.foreignHint(code); hint != "" {
			return hint
		}
	}
	switch code.Stage() {
	case StageConfig:
		return e.configHint(code)
	case StageLive, StageEvidence, StageHTTP:
		return e.liveHint(code)
	case StageConnect:
		return e.connectHint(code)
	case StageHandshake:
		return e.handshakeHint(code)
	case StageCertificate:
		return e.certificateHint(code)
	}
	return ""
}

func (e *Evidence) configHint(code Code) string {
	switch code {
	case PolicyNotFound:
		return e.originate("")
	case TargetNotFound:
		if e.Target.Nearest != "" {
			return e.kubectl("edit %s    # target %q", e.policyRef(), e.Target.Nearest)
		}
		return e.kubectl("get services,backends.gateway.kgateway.dev")
	case CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid:
		return e.originate("--ca-from backend") + "    # shows the chain the backend presents, and asks"
	case CADrift:
		return e.originateAs("", "--sync")
	case RouteMissing:
		return e.originate("--expose " + e.hostOr("HOSTNAME"))
	case RouteNotAccepted:
		if e.Route != nil {
			return fmt.Sprintf("kubectl%s describe httproute -n %s %s", e.Connection, e.Route.Namespace, e.Route.Name)
		}
	case GatewayNotProgrammed, ConfigRejected:
		if e.Gateway != nil {
			return fmt.Sprintf("kubectl%s describe gateway -n %s %s", e.Connection, e.Gateway.Namespace, e.Gateway.Name)
		}
	case PolicyConflicted:
		return e.kubectl("delete %s", e.policyRef())
	default:
	}
	return e.describePolicy()
}

func (e *Evidence) liveHint(code Code) string {
	switch code {
	case VerificationDisabled:
		return e.originateAs(e.Identity.SNI, "") + "    # finds what verifies the backend, or shows what it presents"
	case UnexpectedStatus:
		return e.unexpectedHint()
	case GatewayUnreachable, StatsUnavailable:
		if e.Gateway != nil && e.mayNotForward() {
			return fmt.Sprintf("kubectl%s auth can-i create pods/portforward -n %s    # then ask for that right", e.Connection, e.Gateway.Namespace)
		}
		if e.Gateway != nil {
			return fmt.Sprintf("kubectl%s get gateway,pods -n %s", e.Connection, e.Gateway.Namespace)
		}
	case NoHandshakeObserved:
		return e.verify() + "    # again when the kept connections have closed"
	default:
	}
	return e.describePolicy()
}

// mayNotForward: what is wrong is not the Gateway, but what the person may do.
func (e *Evidence) mayNotForward() bool {
	const right = "right to create pods/portforward"
	return strings.Contains(e.Live.Unavailable, right) || slices.ContainsFunc(e.Requests, func(x Exchange) bool {
		return x.Err != nil && strings.Contains(x.Err.Error(), right)
	})
}

// versionHint allows what the backend speaks. The ciphers that Envoy offers by
// default need TLS 1.2, so that an older version needs its cipher too; unknown
// stands for one that has to be named and is not known.
func (e *Evidence) versionHint(unknown string) string {
	lowest, cipher := e.lowestPresented(), unknown
	if e.Direct != nil && e.Direct.Presented != nil && (unknown != "" || lowest < "1.2") {
		cipher = cmp.Or(probe.CipherName(e.Direct.Presented.CipherSuite), unknown)
	}
	var flags []string
	if lowest < "1.2" || unknown == "" {
		flags = append(flags, "--min-tls "+lowest)
	}
	if cipher != "" {
		flags = append(flags, "--cipher "+cipher)
	}
	hint := e.originate(strings.Join(flags, " "))
	if lowest < "1.2" {
		hint += "    # or, safer, let the backend speak TLS 1.2"
	}
	return hint
}

// unexpectedHint: where the answer is right, it is to be expected.
func (e *Evidence) unexpectedHint() string {
	for _, x := range e.Requests {
		if !x.Expected && x.Status != 0 {
			return fmt.Sprintf("%s --expect-status %d    # if that is right; else give --host or --path", e.verify(), x.Status)
		}
	}
	return e.verify() + " -v    # shows the exchange"
}

func (e *Evidence) connectHint(code Code) string {
	if e.Target.Kind == "Backend" {
		return e.kubectl("get backends.gateway.kgateway.dev %s -o yaml    # are host and port right?", e.Target.Name)
	}
	if code == NoEndpoints {
		return e.kubectl("get endpointslices -l kubernetes.io/service-name=%s", e.Target.Name)
	}
	return e.kubectl("get service,endpointslices,pods    # does a pod listen on the target port of %s?", e.Target.Name)
}

func (e *Evidence) handshakeHint(code Code) string {
	switch code {
	case NotTLS:
		return "kubectl tlsgw remove " + e.targetArgs() + "    # or name the port that speaks TLS: originate --port"
	case ProtocolVersionMismatch:
		return e.versionHint("")
	case ClientCertificateRequired:
		return e.originate("--client-cert secret/NAME")
	case SNIRejected:
		return e.originate("--sni NAME")
	case CipherMismatch:
		return e.versionHint("NAME")
	case ALPNMismatch:
		return e.originate("--alpn http/1.1")
	default:
		return e.connectHint(code)
	}
}

func (e *Evidence) certificateHint(code Code) string {
	switch code {
	case HostnameMismatch:
		if name := e.presentedDNS(); name != "" {
			return e.originateAs(name, e.trustFlag())
		}
		return fmt.Sprintf("give the backend a certificate for %s, then: %s", e.Identity.values(), e.verify())
	case UnknownAuthority:
		return e.originate("--ca-from backend") + "    # shows the chain the backend presents, and asks"
	case IncompleteChain:
		return "let the backend present the intermediates after its certificate, then: " + e.verify()
	case CertificateExpired, CertificateNotYetValid:
		return "renew the backend's certificate, then: " + e.verify()
	default:
		return "replace the backend's certificate, then: " + e.verify()
	}
}

// originate is the command that writes the policy anew with one thing
// changed.
func (e *Evidence) originate(flags string) string {
	trust := e.trustFlag()
	if strings.Contains(flags, "--ca-from") {
		trust = ""
	}
	sni := e.Identity.SNI
	if strings.Contains(flags, "--sni") {
		sni = ""
	}
	return e.originateAs(sni, strings.TrimSpace(trust+" "+flags))
}

func (e *Evidence) originateAs(sni, flags string) string {
	command := "kubectl tlsgw originate " + e.targetArgs()
	if e.Target.PortFlag != "" {
		command += " --port " + e.Target.PortFlag
	}
	if sni != "" {
		command += " --sni " + sni
	}
	if flags != "" {
		command += " " + flags
	}
	return command
}

func (e *Evidence) verify() string { return "kubectl tlsgw verify " + e.targetArgs() }

func (e *Evidence) trustFlag() string {
	switch {
	case e.Trust.System:
		return "--system-ca"
	case len(e.Trust.Refs) == 1:
		return "--ca-from " + e.Trust.Refs[0]
	}
	return ""
}

func (e *Evidence) targetArgs() string {
	return e.Target.ref() + e.where()
}

// where are the flags that lead a pasted command to the target's namespace.
func (e *Evidence) where() string {
	if e.Target.Namespace == "" || e.Target.Namespace == e.ContextNamespace {
		return e.Connection
	}
	return e.Connection + " -n " + e.Target.Namespace
}

func (e *Evidence) kubectl(format string, args ...any) string {
	verb, rest, _ := strings.Cut(fmt.Sprintf(format, args...), " ")
	return "kubectl" + e.where() + " " + verb + " " + rest
}

func (e *Evidence) describePolicy() string {
	if e.Policy == nil {
		return ""
	}
	return e.kubectl("describe %s", e.policyRef())
}

func (e *Evidence) policyRef() string {
	if e.Policy == nil {
		return ""
	}
	return strings.ToLower(e.Policy.Kind) + "/" + e.Policy.Name
}

func (e *Evidence) hostOr(fallback string) string {
	if e.Identity.SNI != "" {
		return e.Identity.SNI
	}
	return fallback
}

func (e *Evidence) presentedDNS() string {
	if e.Direct == nil || e.Direct.Presented == nil || len(e.Direct.Presented.Chain) == 0 {
		return ""
	}
	for _, name := range e.Direct.Presented.Chain[0].DNSNames {
		if !strings.HasPrefix(name, "*") && !strings.ContainsAny(name, " '\"\\$`;&|<>") {
			return oneLine(name)
		}
	}
	return ""
}

func (e *Evidence) lowestPresented() string {
	if e.Direct != nil && e.Direct.Presented != nil {
		for _, v := range []string{"1.0", "1.1", "1.2", "1.3"} {
			if number, ok := VersionNumber(v); ok && number == e.Direct.Presented.Version {
				return v
			}
		}
	}
	return "1.2"
}
