package translate

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// frontend is how a Gateway verifies the certificates of clients on one port.
type frontend struct {
	// trust is nil where no reference is good.
	trust    *ir.Secret
	insecure bool
	// unresolved is why references are not good.
	unresolved *problem
}

// frontendOf reads spec.tls.frontend for a port; nil where clients are not
// asked for certificates. What a port has of its own takes the place of the
// default as a whole.
func (t *translation) frontendOf(g *gateway, port gatewayv1.PortNumber) *frontend {
	if g.object.Spec.TLS == nil || g.object.Spec.TLS.Frontend == nil {
		return nil
	}
	all := g.object.Spec.TLS.Frontend
	field, validation := "spec.tls.frontend.default", all.Default.Validation
	for i := range all.PerPort {
		if all.PerPort[i].Port == port {
			field, validation = "spec.tls.frontend.perPort", all.PerPort[i].TLS.Validation
			break
		}
	}
	if validation == nil {
		return nil
	}
	f := &frontend{insecure: validation.Mode == gatewayv1.AllowInsecureFallback}
	var problems []*problem
	var sources []source
	for i := range validation.CACertificateRefs {
		s, p := t.frontendSource(g.ref(), &validation.CACertificateRefs[i])
		if p != nil {
			problems = append(problems, problemf(p.reason, "%s.validation.caCertificateRefs[%d]: %s", field, i, p.message))
			continue
		}
		sources = append(sources, s)
	}
	trust, errs := t.trustBundle(g.name.Namespace, sources)
	f.trust = trust
	for _, err := range errs {
		problems = append(problems, problemf(string(gatewayv1.ListenerReasonInvalidCACertificateRef), "%s.validation.caCertificateRefs: %v", field, err))
	}
	if len(validation.CACertificateRefs) == 0 {
		problems = append(problems, problemf(string(gatewayv1.ListenerReasonInvalidCACertificateRef),
			"%s.validation.caCertificateRefs: at least one is required", field))
	}
	f.unresolved = joinProblems(problems)
	return f
}

// frontendSource checks a reference to CA certificates.
func (t *translation) frontendSource(gateway ir.Ref, ref *gatewayv1.ObjectReference) (source, *problem) {
	target := ir.Ref{
		Group: string(ref.Group), Kind: string(ref.Kind),
		Name: ir.Name{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(gateway.Namespace))), Name: string(ref.Name)},
	}
	if target.Group != groupCore || target.Kind != kindConfigMap && target.Kind != kindSecret {
		return source{}, problemf(string(gatewayv1.ListenerReasonInvalidCACertificateKind),
			"kind %s of group %q is not supported: use a ConfigMap or a Secret", target.Kind, target.Group)
	}
	if p := t.objects.refusal(gateway, target); p != nil {
		return source{}, p
	}
	return source{kind: target.Kind, name: target.Name}, nil
}

// setFrontend has an HTTPS listener verify the certificates of clients. Without
// anything to verify them by, it serves nobody.
func (t *translation) setFrontend(l *listener) {
	f := t.frontendOf(l.gateway, l.spec.Port)
	if f == nil {
		return
	}
	l.frontend = f
	if f.unresolved == nil {
		return
	}
	if f.trust == nil && l.refused == nil {
		l.refused = &problem{reason: string(gatewayv1.ListenerReasonNoValidCACertificate), message: f.unresolved.message}
	}
	unresolved := []*problem{f.unresolved}
	if l.unresolved != nil {
		unresolved = append(unresolved, l.unresolved)
	}
	l.unresolved = joinProblems(unresolved)
}

// clients is what the proxies do about the certificates of clients.
func (f *frontend) clients() *ir.ClientValidation {
	if f == nil {
		return nil
	}
	return &ir.ClientValidation{TrustBundle: f.trust.Name, InsecureFallback: f.insecure}
}

// letsAnybodyIn tells whether spec.tls.frontend of a Gateway accepts clients
// whose certificates are not valid, on any port.
func letsAnybodyIn(object *gatewayv1.Gateway) bool {
	if object.Spec.TLS == nil || object.Spec.TLS.Frontend == nil {
		return false
	}
	insecure := func(c gatewayv1.TLSConfig) bool {
		return c.Validation != nil && c.Validation.Mode == gatewayv1.AllowInsecureFallback
	}
	for _, port := range object.Spec.TLS.Frontend.PerPort {
		if insecure(port.TLS) {
			return true
		}
	}
	return insecure(object.Spec.TLS.Frontend.Default)
}
