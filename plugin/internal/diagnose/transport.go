package diagnose

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// transport judges the connection, the handshake and the certificate. It has
// something to say only where a request failed: what Envoy saw decides, and a
// direct handshake says it more exactly.
func (e *Evidence) transport() []Finding {
	if e.answered() || len(e.Requests) == 0 || e.gatewayRefused() {
		return nil
	}
	if f := e.endpointsMissing(); f != nil {
		return []Finding{*f}
	}
	symptom, known := e.symptom()
	direct := e.direct()
	if !known {
		if len(direct) > 0 && e.badGateway() {
			return direct
		}
		return nil
	}
	if at := slices.IndexFunc(direct, func(f Finding) bool { return symptom.agrees(f.Code) }); at >= 0 {
		return e.withDrift(direct[at:])
	}
	return []Finding{e.fromSymptom(symptom)}
}

// withDrift: a copied bundle that is out of date explains an authority that is
// not in it.
func (e *Evidence) withDrift(findings []Finding) []Finding {
	if e.Trust.Drift == "" || findings[0].Code != UnknownAuthority {
		return findings
	}
	drift := Finding{Code: CADrift, Message: e.Trust.Drift, Expected: findings[0].Expected, Presented: findings[0].Presented}
	return append([]Finding{drift}, findings...)
}

// endpointsMissing: Envoy knows no address, or uses none.
func (e *Evidence) endpointsMissing() *Finding {
	if e.Direct != nil && e.Direct.DialFailure == probe.NameNotResolved {
		return &Finding{Code: NameNotResolved, Message: fmt.Sprintf("the host of %s does not resolve", e.Target),
			Expected: "a DNS name with an address", Presented: oneLine(e.Direct.DialError)}
	}
	var total, unhealthy int
	for _, p := range e.Live.Proxies {
		if p.Cluster == nil {
			return nil
		}
		for _, endpoint := range p.Endpoints {
			total++
			if endpoint.Unhealthy != "" {
				unhealthy++
			}
		}
	}
	switch {
	case len(e.Live.Proxies) == 0 || total > unhealthy:
		return nil
	case total == 0:
		return e.noEndpoints(fmt.Sprintf("%s has no endpoints", e.Target))
	}
	return e.noEndpoints(fmt.Sprintf("Envoy holds none of the %s of %s for healthy", count(total, "endpoint"), e.Target))
}

func (e *Evidence) noEndpoints(message string) *Finding {
	return &Finding{Code: NoEndpoints, Message: message, Expected: "at least one ready endpoint"}
}

// badGateway: some answer was Envoy's own, about the backend.
func (e *Evidence) badGateway() bool {
	return slices.ContainsFunc(e.Requests, func(x Exchange) bool { return x.Status >= 500 && x.Status <= 504 })
}

// direct are the findings of the direct handshake.
func (e *Evidence) direct() []Finding {
	switch d := e.Direct; {
	case d == nil:
		return nil
	case d.DialFailure != "":
		return []Finding{e.dialFinding(d)}
	case d.Failure != nil:
		return []Finding{e.handshakeFinding(d)}
	case d.Presented == nil:
		return nil
	case d.Presented.AsksClientCertificate && e.wantsClientCertificate():
		return append(Chain(d.Presented.Chain, e.Trust, e.Identity, e.Now), *e.clientCertificate())
	default:
		return Chain(d.Presented.Chain, e.Trust, e.Identity, e.Now)
	}
}

// wantsClientCertificate: a server may ask without needing one. It needs one
// if it then gives nothing but refusals, and Envoy has none to give.
func (e *Evidence) wantsClientCertificate() bool {
	cluster := e.Live.cluster()
	return cluster != nil && cluster.TLS != nil && !cluster.TLS.ClientCertificate
}

func (e *Evidence) clientCertificate() *Finding {
	return &Finding{
		Code:      ClientCertificateRequired,
		Message:   fmt.Sprintf("%s wants a client certificate, and %s gives none", e.Target, e.Policy),
		Expected:  "one-way TLS",
		Presented: "a certificate request in the handshake",
	}
}

func (e *Evidence) dialFinding(d *Direct) Finding {
	f := Finding{Presented: oneLine(d.DialError)}
	switch d.DialFailure {
	case probe.Refused:
		f.Code, f.Message, f.Expected = ConnectionRefused, fmt.Sprintf("nothing listens at the endpoint of %s", e.Target), "a listening TLS server"
	case probe.Timeout:
		f.Code, f.Message, f.Expected = ConnectTimeout, fmt.Sprintf("no connection to %s in time", e.Target), "a connection"
	case probe.NameNotResolved:
		f.Code, f.Message, f.Expected = NameNotResolved, fmt.Sprintf("the host of %s does not resolve", e.Target), "a DNS name with an address"
	default:
		f.Code, f.Message, f.Expected = ConnectionReset, fmt.Sprintf("the connection to %s broke", e.Target), "a connection"
	}
	return f
}

func (e *Evidence) handshakeFinding(d *Direct) Finding {
	switch d.Failure.Failure {
	case probe.NotTLS:
		return Finding{Code: NotTLS, Message: fmt.Sprintf("%s does not speak TLS on this port", e.Target),
			Expected: "a TLS handshake", Presented: fmt.Sprintf("%q", head(d.Failure.Answer, 60))}
	case probe.Timeout:
		return Finding{Code: HandshakeTimeout, Message: fmt.Sprintf("%s accepts connections and does not answer the TLS handshake", e.Target),
			Expected: "a TLS handshake"}
	case probe.UnrecognizedName:
		return Finding{Code: SNIRejected, Message: fmt.Sprintf("%s does not serve the name that is sent", e.Target),
			Expected: "SNI " + e.Identity.SNI, Presented: "TLS alert unrecognized_name"}
	case probe.CertificateRequired:
		return *e.clientCertificate()
	case probe.NoApplicationProtocol:
		return Finding{Code: ALPNMismatch, Message: fmt.Sprintf("%s speaks none of the offered protocols", e.Target),
			Presented: "TLS alert no_application_protocol", Expected: "a common ALPN protocol"}
	case probe.ProtocolVersion, probe.HandshakeRefused:
		return e.parameters(d)
	default:
		return Finding{Code: ConnectionReset, Message: fmt.Sprintf("%s breaks the connection off during the handshake", e.Target),
			Expected: "a TLS handshake", Presented: oneLine(d.Failure.Err.Error())}
	}
}

// parameters tells versions from ciphers by what the backend agrees to when
// it is offered everything.
func (e *Evidence) parameters(d *Direct) Finding {
	lowest, highest := e.versions()
	offered := fmt.Sprintf("TLS %s to %s", lowest, highest)
	if d.Wide && d.Presented != nil {
		chosen := tls.VersionName(d.Presented.Version)
		if outside(d.Presented.Version, lowest, highest) {
			return Finding{Code: ProtocolVersionMismatch, Message: fmt.Sprintf("%s speaks no TLS version that Envoy offers", e.Target),
				Expected: offered, Presented: chosen}
		}
		return Finding{Code: CipherMismatch, Message: fmt.Sprintf("%s accepts none of the cipher suites that are offered", e.Target),
			Expected: "a common cipher suite", Presented: fmt.Sprintf("%s with %s", chosen, tls.CipherSuiteName(d.Presented.CipherSuite))}
	}
	if d.Failure.Failure == probe.ProtocolVersion {
		return Finding{Code: ProtocolVersionMismatch, Message: fmt.Sprintf("%s speaks no TLS version that Envoy offers", e.Target),
			Expected: offered, Presented: "TLS alert protocol_version"}
	}
	return Finding{Code: CipherMismatch, Message: fmt.Sprintf("%s refuses the handshake's parameters", e.Target),
		Expected: "a common cipher suite", Presented: "TLS alert handshake_failure"}
}

// versions that the live cluster offers.
func (e *Evidence) versions() (lowest, highest string) {
	cluster := e.Live.cluster()
	if cluster == nil {
		return Offered(nil)
	}
	return Offered(cluster.TLS)
}

// Offered are the lowest and the highest TLS version that a live context
// offers, as "1.2". Where it sets none, Envoy's default as a client is TLS
// 1.2 alone.
func Offered(live *probe.TLSContext) (lowest, highest string) {
	if live == nil {
		return "1.2", "1.3"
	}
	return cmp.Or(live.MinVersion, "1.2"), cmp.Or(live.MaxVersion, "1.2")
}

func outside(version uint16, lowest, highest string) bool {
	low, _ := VersionNumber(lowest)
	high, _ := VersionNumber(highest)
	return version < low || version > high
}

// VersionNumber turns "1.2" into tls.VersionTLS12.
func VersionNumber(version string) (uint16, bool) {
	switch version {
	case "1.0":
		return tls.VersionTLS10, true
	case "1.1":
		return tls.VersionTLS11, true
	case "1.2":
		return tls.VersionTLS12, true
	case "1.3":
		return tls.VersionTLS13, true
	}
	return 0, false
}

// head keeps the start of a text.
func head(s string, runes int) string {
	r := []rune(s)
	if len(r) <= runes {
		return s
	}
	return string(r[:runes]) + "..."
}
