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
		return e.originate()
	case TargetNotFound:
		if e.Target.Nearest != "" {
			return e.kubectl("edit %s    # target %q", e.policyRef(), e.Target.Nearest)
		}
		return e.kubectl("get services,backends.gateway.kgateway.dev")
	case CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid:
		return e.trustHint()
	case CADrift:
		return "kubectl tlsgw originate " + e.originated() + " --sync"
	case RouteMissing:
		return e.originate(e.expose()...)
	case RouteNotAccepted:
		if e.Route != nil {
			return fmt.Sprintf("kubectl%s describe httproute -n %s %s", e.Connection, e.Route.Namespace, e.Route.Name)
		}
	case GatewayNotProgrammed, ConfigRejected:
		if e.Gateway != nil {
			return e.describeGateway()
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
		if !e.Trust.None {
			break // the policy is right
		}
		return e.discover() + "    # finds what verifies the backend, or shows what it presents"
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
		return e.unobservedHint()
	case NotReadable:
		if u := e.Unread; u != nil && u.Resource != "" {
			where := " -A"
			if u.Namespace != "" {
				where = " -n " + u.Namespace
			}
			return fmt.Sprintf("kubectl%s auth can-i %s %s%s    # then ask for that right", e.Connection, u.Verb, u.Resource, where)
		}
		return e.verify()
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
	spoken, cipher := e.lowestPresented(), unknown
	if e.Direct != nil && e.Direct.Presented != nil && (unknown != "" || spoken < "1.2") {
		cipher = cmp.Or(probe.CipherName(e.Direct.Presented.CipherSuite), unknown)
	}
	var changes []Flag
	_, highest := e.versions()
	switch {
	case spoken > highest:
		changes = append(changes, Flag{"max-tls", spoken})
	case spoken < "1.2" || unknown == "":
		changes = append(changes, Flag{"min-tls", spoken})
	}
	if cipher != "" {
		changes = append(changes, Flag{"cipher", cipher})
	}
	hint := e.originate(changes...)
	if spoken < "1.2" {
		hint += "    # or, safer, let the backend speak TLS 1.2"
	}
	return hint
}

// unobservedHint: connections that were kept close one day; answers from
// elsewhere are a matter of what is asked for.
func (e *Evidence) unobservedHint() string {
	if e.elsewhere() != nil {
		return e.verify() + " --path /PATH    # one that only the backend answers; or --host"
	}
	return e.verify() + "    # again when the kept connections have closed"
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
		return e.originate(Flag{"client-cert", "secret/NAME"})
	case SNIRejected:
		return e.originate(Flag{"sni", "NAME"})
	case CipherMismatch:
		return e.versionHint("NAME")
	case ALPNMismatch:
		return e.originate(Flag{"alpn", "http/1.1"})
	default:
		return e.connectHint(code)
	}
}

func (e *Evidence) certificateHint(code Code) string {
	switch code {
	case HostnameMismatch:
		if name := e.presentedDNS(); name != "" {
			return e.originate(Flag{e.identityFlag(), name})
		}
		return fmt.Sprintf("give the backend a certificate for %s, then: %s", e.Identity.values(), e.verify())
	case UnknownAuthority:
		return e.trustHint()
	case IncompleteChain:
		return "let the backend present the intermediates after its certificate, then: " + e.verify()
	case CertificateExpired, CertificateNotYetValid:
		return "renew the backend's certificate, then: " + e.verify()
	default:
		return "replace the backend's certificate, then: " + e.verify()
	}
}

func (e *Evidence) verify() string { return "kubectl tlsgw verify " + e.targetArgs() }

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

func (e *Evidence) describeGateway() string {
	kind, namespace, name := "gateway", e.Gateway.Namespace, e.Gateway.Name
	if set := e.Gateway.Set; set != nil {
		kind, namespace, name = "listenerset", set.Namespace, set.Name
	}
	return fmt.Sprintf("kubectl%s describe %s -n %s %s", e.Connection, kind, namespace, name)
}

func (e *Evidence) policyRef() string {
	if e.Policy == nil {
		return ""
	}
	return strings.ToLower(e.Policy.Kind) + "/" + e.Policy.Name
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
