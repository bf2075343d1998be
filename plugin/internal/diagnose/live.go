package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// live judges what Envoy runs, whatever the status of the objects says.
func (e *Evidence) live() []Finding {
	if e.Live.Unavailable != "" || len(e.Live.Proxies) == 0 {
		return nil // proof says so, unless requests tell more
	}
	for _, p := range e.Live.Proxies {
		if f := e.liveProxy(p); f != nil {
			return []Finding{*f}
		}
	}
	return nil
}

// Settling says whether the live configuration is not what it should be, but
// may become so by itself: a change takes Envoy a moment.
func Settling(e *Evidence) bool {
	for _, f := range e.live() {
		switch f.Code {
		case GatewayNotProgrammed, PlaintextUpstream, NoEndpoints:
			return true
		case VerificationDisabled:
			return !e.Trust.None
		default:
		}
	}
	return false
}

func (e *Evidence) liveProxy(p Proxy) *Finding {
	switch c := p.Cluster; {
	case c == nil:
		return &Finding{
			Code:     GatewayNotProgrammed,
			Message:  fmt.Sprintf("Envoy %s has no cluster %s: it did not take the configuration, or the controller withholds it", p.Name, e.Live.StatName),
			Expected: "cluster " + e.Live.StatName + " in the live configuration",
		}
	case c.Rejected != "":
		return &Finding{
			Code:      ConfigRejected,
			Message:   fmt.Sprintf("Envoy %s rejected the last update of cluster %s", p.Name, c.Name),
			Presented: oneLine(c.Rejected),
			Expected:  "an ACK",
		}
	case c.TLS == nil:
		return &Finding{
			Code:      PlaintextUpstream,
			Message:   fmt.Sprintf("Envoy %s sends plaintext to %s, though %s asks for TLS", p.Name, e.Target, e.Policy),
			Expected:  "a TLS transport socket in cluster " + c.StatName,
			Presented: "none; accepted by " + e.acceptedBy(),
		}
	case c.Warming && len(p.Endpoints) == 0:
		return e.noEndpoints(fmt.Sprintf("cluster %s is still warming in Envoy %s: it has no endpoints yet", c.Name, p.Name))
	}
	return e.liveTLS(p)
}

func (e *Evidence) liveTLS(p Proxy) *Finding {
	live := p.Cluster.TLS
	switch {
	case p.Secret != nil && p.Secret.Rejected != "":
		return &Finding{
			Code:      ConfigRejected,
			Message:   fmt.Sprintf("Envoy %s rejected the trust bundle (%s)", p.Name, live.Trust),
			Presented: oneLine(p.Secret.Rejected),
			Expected:  "an ACK",
		}
	case p.Secret != nil && (p.Secret.Warming || !p.Secret.Found):
		return &Finding{
			Code:     GatewayNotProgrammed,
			Message:  fmt.Sprintf("Envoy %s still waits for the trust bundle of cluster %s (%s)", p.Name, p.Cluster.StatName, live.Trust),
			Expected: "the bundle in the live configuration",
		}
	case e.AllowInsecure && !p.verifies():
		return nil
	case !p.verifies():
		return &Finding{
			Code:      VerificationDisabled,
			Message:   fmt.Sprintf("Envoy %s speaks TLS to %s and verifies nothing", p.Name, e.Target),
			Expected:  "a trusted CA in cluster " + p.Cluster.StatName,
			Presented: "no trusted CA in its validation context",
		}
	case e.namesIgnored(p):
		return &Finding{
			Code:      VerificationDisabled,
			Message:   fmt.Sprintf("Envoy %s takes any certificate of the CA for %s, though %s names whom it must be for", p.Name, e.Target, e.Policy),
			Expected:  e.Identity.String(),
			Presented: "no name in the validation context of cluster " + p.Cluster.StatName,
			Hint:      e.describePolicy() + "    # what does its controller say of the name?",
		}
	}
	if d := e.settings().Differs(p.context(), e.own()); d != nil {
		return &Finding{
			Code:    GatewayNotProgrammed,
			Message: fmt.Sprintf("Envoy %s still runs older settings of %s", p.Name, e.Policy), Expected: d.Expected, Presented: d.Presented,
		}
	}
	return nil
}

// own says whether our own controller runs the Gateway.
func (e *Evidence) own() bool {
	return e.Gateway != nil && e.Gateway.Controller == contract.ControllerName
}

// settings are what the policy asks for.
func (e *Evidence) settings() *Settings {
	s := &Settings{
		SNI: e.Identity.SNI, File: e.Trust.File, Insecure: e.Trust.None,
		MinTLS: e.Policy.MinTLS, MaxTLS: e.Policy.MaxTLS,
	}
	for _, ref := range e.Trust.Refs {
		kind, _, _ := strings.Cut(ref, "/")
		known := kind == "configmap" || kind == "secret" // others count for nothing
		if known && !slices.Contains(s.Refs, ref) {
			s.Refs = append(s.Refs, ref)
		}
	}
	for _, san := range e.Identity.SANs {
		s.Names = append(s.Names, string(san.Type)+":"+san.Value)
	}
	return s
}

// namesIgnored: the policy names whom the certificate must be for, and Envoy
// does not look.
func (e *Evidence) namesIgnored(p Proxy) bool {
	named := len(e.Identity.SANs) > 0 && !e.Trust.None && (e.own() || !e.Identity.Implied)
	return named && !e.AllowInsecure && !p.context().VerifiesName()
}

// verifiesName says whether every proxy looks for whom the certificate is.
func (e *Evidence) verifiesName() bool {
	for _, p := range e.Live.Proxies {
		if p.Cluster != nil && !p.context().VerifiesName() {
			return false
		}
	}
	return true
}

// verifies: a trust bundle that comes apart from the cluster may be empty.
func (p Proxy) verifies() bool {
	empty := p.Secret != nil && p.Secret.Found && !p.Secret.Warming && !p.Secret.Trusts
	return p.Cluster.TLS.Verifies() && !empty
}

// context is the cluster's TLS context with the names that come with the trust
// bundle: Envoy takes those of both.
func (p Proxy) context() *probe.TLSContext {
	if p.Secret == nil || len(p.Secret.SANs) == 0 || p.Cluster.TLS == nil {
		return p.Cluster.TLS
	}
	joined := *p.Cluster.TLS
	joined.SANs = append(slices.Clone(joined.SANs), p.Secret.SANs...)
	return &joined
}

func (e *Evidence) acceptedBy() string {
	by := "no controller"
	for _, s := range e.statuses() {
		if s.Accepted != nil && s.Accepted.True {
			by = s.Controller
		}
	}
	return by
}

// facts are what else proves, or disproves, that the connection is TLS.
func (e *Evidence) facts() []string {
	cluster := e.Live.cluster()
	if !e.Sent || cluster == nil || cluster.TLS == nil {
		return nil
	}
	facts := []string{"live transport socket: " + describeContext(cluster.TLS)}
	after, risen := e.Live.After, e.Live.Risen()
	total, handshakes := after["upstream_cx_total"], after["ssl.handshake"]
	if total == 0 {
		return facts
	}
	facts = append(facts, fmt.Sprintf("upstream_rq_total +%d, over %d open connections", risen["upstream_rq_total"], after["upstream_cx_active"]))
	failed := after["upstream_cx_connect_fail"]
	if handshakes+failed >= total {
		facts = append(facts, fmt.Sprintf("every connection ever made to it was TLS: ssl.handshake %d, upstream_cx_total %d, upstream_cx_connect_fail %d",
			handshakes, total, failed))
	}
	return facts
}

func describeContext(c *probe.TLSContext) string {
	sni := c.SNI
	switch {
	case c.AutoSNI:
		sni = "each endpoint's name"
	case sni == "":
		sni = "none"
	}
	trust := c.Trust
	if trust == "" {
		trust = "nothing"
	}
	return fmt.Sprintf("SNI %s, trust %s", sni, trust)
}
