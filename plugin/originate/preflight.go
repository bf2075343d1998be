package originate

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// soon is how early an expiry is worth a warning.
const soon = 30 * 24 * time.Hour

// checkServed makes sure that the cluster knows every kind.
func (r *run) checkServed(objects []client.Object) error {
	for _, object := range objects {
		if _, err := r.clients.ResourceName(object); err != nil {
			return err
		}
	}
	return nil
}

// checkContact reports a backend that could not be talked to. Where trust was
// to be discovered, that has been an error before.
func (r *run) checkContact() {
	problem := r.contactFinding()
	if problem == nil {
		return
	}
	if r.contact.handshakeErr != nil && r.spec.Trust.Insecure && problem.code == diagnose.HandshakeTimeout {
		problem.warning = true
	}
	r.add(problem)
}

// checkBundle reports certificates of the bundle that have expired or will.
func (r *run) checkBundle() {
	if r.trust == nil || r.trust.bundle == nil || r.trust.source.Kind == FromBackend {
		return
	}
	b, source := r.trust.bundle, r.trust.source
	expired := b.Expired(r.now)
	switch {
	case b.AllExpired(r.now) && r.trust.repaired:
		return // has been said with the repair
	case b.AllExpired(r.now):
		r.add(&finding{
			code:    diagnose.CAExpired,
			message: fmt.Sprintf("%s expired on %s", source, diagnose.Day(latest(b))),
			details: []string{"it holds " + diagnose.Named(expired[0])},
			offer:   []string{"ca-from", string(FromBackend)},
			why:     "shows the chain the backend presents, and asks",
		})
		return
	case len(expired) > 0:
		r.add(&finding{warning: true,
			message: fmt.Sprintf("%s holds an expired certificate: %s, since %s", source, diagnose.Named(expired[0]), diagnose.Day(expired[0].NotAfter))})
	}
	for _, certificate := range b.ExpiringWithin(r.now, soon) {
		r.add(&finding{warning: true,
			message: fmt.Sprintf("%s expires soon: %s on %s", source, diagnose.Named(certificate), diagnose.Day(certificate.NotAfter)),
			fix:     "put its successor beside it before then; the gateway takes it without a restart"})
	}
}

// checkChain reports what Envoy would refuse about the presented chain, and a
// certificate that expires soon.
func (r *run) checkChain() {
	chain := r.presentedChain()
	if len(chain) == 0 {
		return
	}
	if left := chain[0].NotAfter.Sub(r.now); left > 0 && left < soon {
		r.add(&finding{warning: true, fix: "renew it before then",
			message: fmt.Sprintf("the certificate of %s expires soon, on %s", r.spec.Target, diagnose.Day(chain[0].NotAfter))})
	}
	if r.contact.presented.AsksClientCertificate && r.contact.handshakeErr == nil && r.spec.ClientCertificate == "" {
		r.add(&finding{warning: true, code: diagnose.ClientCertificateRequired,
			message: fmt.Sprintf("%s asks for a client certificate, and may refuse requests without one", r.spec.Target),
			offer:   []string{"client-cert", "secret/NAME"}, why: "a Secret with tls.crt, tls.key and ca.crt"})
	}
	if r.trust == nil {
		r.add(&finding{warning: true, code: diagnose.VerificationDisabled,
			message: "NOTHING IS VERIFIED: anyone between the gateway and the backend can read and change everything",
			offer:   []string{"insecure-skip-verify", ""}, why: "verifies the backend"})
		return
	}
	if r.trust.bundle == nil && r.trust.system == nil {
		return // a forced reference to what is not there
	}
	for _, f := range diagnose.Chain(chain, r.trust.evidence(), r.identity(), r.now) {
		if f.Code == diagnose.CAExpired && r.trust.bundle != nil && r.trust.bundle.AllExpired(r.now) {
			continue // has been said of the bundle
		}
		r.add(r.chainFinding(f))
	}
}

func (r *run) chainFinding(f diagnose.Finding) *finding {
	found := &finding{code: f.Code, message: fmt.Sprintf("%s: %s", r.spec.Target, f.Message)}
	if f.Expected != "" {
		found.details = append(found.details, "expected   "+f.Expected)
	}
	if f.Presented != "" {
		found.details = append(found.details, "presented  "+f.Presented)
	}
	switch f.Code {
	case diagnose.HostnameMismatch:
		if names := r.presentedChain()[0].DNSNames; len(names) > 0 {
			found.offer = []string{"sni", concrete(names[0]), "san", ""}
		} else {
			found.fix = "give the backend a certificate with a subject alternative name"
		}
	case diagnose.UnknownAuthority:
		found.offer = []string{"ca-from", "", "system-ca", ""}
		found.why = "finds what verifies the backend, or shows what it presents"
	case diagnose.IncompleteChain:
		found.fix = "let the backend present its intermediate certificates, or put them into the CA bundle"
	case diagnose.CertificateExpired, diagnose.CertificateNotYetValid, diagnose.KeyUsageInvalid:
		found.fix = fmt.Sprintf("give %s a certificate that is valid, then run this again", r.spec.Target)
	case diagnose.WeakCertificate:
		found.warning = true
	default:
		found.offer = []string{"ca-from", string(FromBackend)}
		found.why = "shows the chain the backend presents, and asks"
	}
	return found
}

// identity is what the policy will ask of the certificate.
func (r *run) identity() diagnose.Identity {
	identity := diagnose.Identity{SNI: r.spec.SNI, Field: "--sni"}
	if len(r.spec.SANs) > 0 {
		identity.Field = "--san"
		for _, san := range r.spec.SANs {
			kind := diagnose.DNS
			if scaffold.IsURI(san) {
				kind = diagnose.URI
			}
			identity.SANs = append(identity.SANs, diagnose.SAN{Type: kind, Value: san})
		}
		return identity
	}
	identity.SANs = []diagnose.SAN{{Type: diagnose.DNS, Value: r.spec.SNI}}
	return identity
}

// decideTrust says whom the gateway will trust, and why.
func (r *run) decideTrust() {
	if r.trust == nil {
		r.decide("trust", "nobody: --insecure-skip-verify")
		return
	}
	why := r.trust.why
	if chain := r.presentedChain(); len(chain) > 0 && r.verifies(r.trust) {
		why += fmt.Sprintf(", verifies %s until %s", diagnose.Named(chain[0]), diagnose.Day(chain[0].NotAfter))
	}
	r.decide("trust", "%s (%s)", r.trust, why)
	if len(r.spec.Trust.Bundle) > 0 {
		why := fmt.Sprintf("a %s cannot refer to %s", r.spec.Policy, r.trust)
		if r.trust.repaired {
			why = "repaired"
		}
		r.decide("copy", "%s (%s)", r.copyName(), why)
	}
}

func (r *run) decidePolicy() {
	if !r.o.AutoPolicy {
		r.decide("policy", "%s (as given)", r.spec.Policy)
	} else {
		_, why := r.spec.ChoosePolicy()
		r.decide("policy", "%s (%s)", r.spec.Policy, why)
	}
	if r.spec.Policy == scaffold.BackendConfigPolicy && r.backend.several {
		r.add(&finding{warning: true,
			message: fmt.Sprintf("a BackendConfigPolicy applies to every port of %s, not only to %s", r.spec.Target, r.backend.portName)})
	}
}

// hasKeyPair says whether a Secret also holds a client certificate, which a
// one-way connection must not send.
func (r *run) hasKeyPair(ctx context.Context, name string) bool {
	secret := &corev1.Secret{}
	if r.clients.Client.Get(ctx, client.ObjectKey{Namespace: r.spec.Namespace, Name: name}, secret) != nil {
		return false
	}
	return len(secret.Data[corev1.TLSCertKey]) > 0
}

// concrete is a name that a certificate's wildcard covers.
func concrete(name string) string {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		return "www." + rest
	}
	return name
}

func joined(names []string) string { return strings.Join(names, ", ") }
