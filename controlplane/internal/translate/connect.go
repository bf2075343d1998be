package translate

import (
	"cmp"
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// isTLS tells whether TLSRoutes attach to the listener.
func (l *listener) isTLS() bool { return l.spec.Protocol == gatewayv1.TLSProtocolType }

// usesTLS tells whether clients speak TLS, so that the listener can share its
// port with others by server name.
func (l *listener) usesTLS() bool { return l.isHTTPS() || l.isTLS() }

// passesTLS tells whether the TLS of clients goes to backends as it comes.
func (l *listener) passesTLS() bool {
	return l.isTLS() && l.spec.TLS != nil && deref(l.spec.TLS.Mode, gatewayv1.TLSModeTerminate) == gatewayv1.TLSModePassthrough
}

// terminates tells whether the TLS of clients ends here, which takes a
// certificate.
func (l *listener) terminates() bool { return l.usesTLS() && !l.passesTLS() }

// portConflict tells why two listeners of one port cannot be told apart. HTTPS
// and TLS of both modes share a port where their hostnames differ: the server
// name of the client decides.
func portConflict(l, other *listener) *problem {
	switch isSame := other.domain == l.domain; {
	case other.spec.Protocol != l.spec.Protocol && (isSame || !other.usesTLS() || !l.usesTLS()):
		return problemf(string(gatewayv1.ListenerReasonProtocolConflict),
			"listener %s has the same port %d and another protocol, %s", other.spec.Name, other.port, other.spec.Protocol)
	case isSame:
		return problemf(string(gatewayv1.ListenerReasonHostnameConflict),
			"listener %s has the same port %d and the same hostname", other.spec.Name, other.port)
	default:
		return nil
	}
}

// connectChains are the filter chains of a TLS listener, one for each hostname
// that its routes serve. Where several have one, the oldest serves it.
func connectChains(port uint16, l *listener, all []*listener) []ir.FilterChain {
	oldest := map[string]*route{}
	for _, a := range l.attached {
		for _, d := range a.domains {
			if owner(all, d) != l {
				continue // A listener with a more specific hostname has it.
			}
			if oldest[d] == nil || a.route.comparePrecedence(oldest[d]) < 0 {
				oldest[d] = a.route
			}
		}
	}
	chains := make([]ir.FilterChain, 0, len(oldest))
	for d, r := range oldest {
		s := r.streamOn(l)
		chain := connectChain(port, d, renameConnect(s.connect, l.gateway.presents.renamed(s.backends)))
		if l.terminates() {
			chain.TLS = &ir.DownstreamTLS{Certificates: secretNames(l.certificates)}
		}
		chains = append(chains, chain)
	}
	return chains
}

func connectChain(port uint16, domain string, connect *ir.Connect) ir.FilterChain {
	chain := ir.FilterChain{Name: listenerName(port, true) + "/" + domain, Forward: connect}
	if domain != anyHost {
		chain.ServerNames = []string{domain}
	}
	return chain
}

// closedChains close connections to hostnames of listeners that do not serve
// them, and that would go to a listener with a wider hostname otherwise: its
// routes do not serve them (listener isolation). The chain of an HTTPS
// listener sees to that by itself.
func closedChains(port uint16, all []*listener, chains []ir.FilterChain) []ir.FilterChain {
	var closed []ir.FilterChain
	for _, l := range all {
		isServed, isTaken := false, false
		for i := range chains {
			d := anyHost
			if len(chains[i].ServerNames) > 0 {
				d = chains[i].ServerNames[0]
			}
			isServed = isServed || d == l.domain
			isTaken = isTaken || covers(d, l.domain) && (l.isTLS() || chains[i].Forward != nil)
		}
		if isTaken && !isServed {
			closed = append(closed, connectChain(port, l.domain, closedConnect()))
		}
	}
	return closed
}

func secretNames(secrets []*ir.Secret) []string {
	names := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		names = append(names, secret.Name)
	}
	return names
}

// comparePrecedence orders the older route first, then by name.
func (r *route) comparePrecedence(o *route) int {
	return cmp.Or(r.created.Compare(o.created), r.ref.Compare(o.ref.Name), cmp.Compare(r.ref.Kind, o.ref.Kind))
}

// olderOn are the hostnames that an older TLSRoute has on a listener, with it.
func (r *route) olderOn(l *listener, domains []string) []string {
	var notes []string
	for _, a := range l.attached {
		if a.route == r || !l.isTLS() {
			continue
		}
		for _, d := range domains {
			if slices.Contains(a.domains, d) && a.route.comparePrecedence(r) < 0 {
				notes = append(notes, "on listener "+string(l.spec.Name)+", "+describe(a.route.ref)+" serves "+d+": it is older")
			}
		}
	}
	return notes
}
