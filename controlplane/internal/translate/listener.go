package translate

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// listener is one listener of a Gateway.
type listener struct {
	gateway *gateway
	// set is the ListenerSet that it is of, nil for the Gateway's own.
	set *listenerSet

	spec   *gatewayv1.Listener
	port   uint16
	domain string
	// kinds are the route kinds that may attach.
	kinds []string
	// fromNamespace tells whether routes of a namespace may attach.
	fromNamespace func(namespace string) bool

	// refused is why the listener serves nothing, conflict with which others
	// it cannot be told apart, unresolved which references are not good.
	refused, conflict, unresolved *problem
	// overlaps says that another listener's TLS hostnames overlap.
	overlaps bool
	// certificates are those of a listener at which TLS ends; without one it
	// does not serve.
	certificates []*ir.Secret
	// frontend is nil where clients are not asked for certificates.
	frontend *frontend

	attached []*attachment
	// refusing are routes that are not attached, and whose requests get 500.
	refusing []*attachment
	// chains name the filter chains that serve the listener, once they are
	// made.
	chains []string
}

// attachment is a route on a listener with the domains that both have.
type attachment struct {
	route   *route
	domains []string
}

func (l *listener) isHTTPS() bool { return l.spec.Protocol == gatewayv1.HTTPSProtocolType }

// accepted tells whether the listener is one of those that share out the
// hosts of its port.
func (l *listener) accepted() bool { return l.refused == nil && l.conflict == nil }

// serves tells whether the listener is in Envoy's configuration.
func (l *listener) serves() bool {
	return l.accepted() && (!l.terminates() || len(l.certificates) > 0)
}

// newListener checks what can be seen of one listener of owner, the Gateway or
// a ListenerSet of it, alone.
func (t *translation) newListener(g *gateway, owner ir.Ref, spec *gatewayv1.Listener) *listener {
	l := &listener{gateway: g, spec: spec, domain: domain(spec.Hostname), fromNamespace: func(string) bool { return false }}
	var portOK bool
	l.port, portOK = portNumber(spec.Port)
	switch {
	case len(routeKinds(spec.Protocol)) == 0:
		l.refused = problemf(string(gatewayv1.ListenerReasonUnsupportedProtocol), "protocol %s is not supported: use HTTP, HTTPS or TLS", spec.Protocol)
		return l
	case !portOK:
		l.refused = problemf(string(gatewayv1.ListenerReasonPortUnavailable), "port %d is not between 1 and 65535", spec.Port)
	case l.port == contract.AdminPort || l.port == contract.ReadyPort:
		l.refused = problemf(string(gatewayv1.ListenerReasonPortUnavailable), "port %d is the proxy's own", l.port)
	case !validDomain(l.domain):
		l.refused = problemf(string(gatewayv1.ListenerReasonUnsupportedValue), "hostname %q is not a DNS name", l.domain)
	}
	t.setAllowedRoutes(owner.Namespace, l)
	if l.terminates() {
		t.setCertificates(owner, l)
	}
	if l.isHTTPS() {
		t.setFrontend(l)
	}
	return l
}

// setAllowedRoutes reads which routes may attach.
func (t *translation) setAllowedRoutes(namespace string, l *listener) {
	allowed := l.spec.AllowedRoutes
	if allowed == nil {
		allowed = &gatewayv1.AllowedRoutes{}
	}
	t.setKinds(allowed.Kinds, l)
	from := gatewayv1.NamespacesFromSame
	var selector *metav1.LabelSelector
	if allowed.Namespaces != nil {
		from = deref(allowed.Namespaces.From, gatewayv1.NamespacesFromSame)
		selector = allowed.Namespaces.Selector
	}
	allows, err := t.namespaces(from, selector, namespace)
	if err != nil {
		l.refused = problemf(string(gatewayv1.ListenerReasonUnsupportedValue), "allowedRoutes.namespaces.selector: %v", err)
	}
	l.fromNamespace = allows
}

// setKinds reads which kinds of routes may attach: those of the protocol, or
// the ones among them that the listener names.
func (t *translation) setKinds(named []gatewayv1.RouteGroupKind, l *listener) {
	supported := routeKinds(l.spec.Protocol)
	if len(named) == 0 {
		l.kinds = supported
		return
	}
	for i, kind := range named {
		if deref(kind.Group, gatewayv1.GroupName) != gatewayv1.GroupName || !slices.Contains(supported, string(kind.Kind)) {
			l.unresolved = problemf(string(gatewayv1.ListenerReasonInvalidRouteKinds),
				"allowedRoutes.kinds[%d]: %s is not supported by an %s listener: use %s", i, kind.Kind, l.spec.Protocol, strings.Join(supported, " or "))
			continue
		}
		if !slices.Contains(l.kinds, string(kind.Kind)) {
			l.kinds = append(l.kinds, string(kind.Kind))
		}
	}
}

// routeKinds are the kinds of routes that a listener of a protocol serves.
func routeKinds(protocol gatewayv1.ProtocolType) []string {
	switch protocol {
	case gatewayv1.HTTPProtocolType, gatewayv1.HTTPSProtocolType:
		return []string{kindHTTPRoute, kindGRPCRoute}
	case gatewayv1.TLSProtocolType:
		return []string{kindTLSRoute}
	default:
		return nil
	}
}

// namespaces tells which namespaces are chosen, seen from one of them. With an
// error, none is.
func (t *translation) namespaces(from gatewayv1.FromNamespaces, selector *metav1.LabelSelector, own string) (func(string) bool, error) {
	none := func(string) bool { return false }
	switch from {
	case gatewayv1.NamespacesFromAll:
		return func(string) bool { return true }, nil
	case gatewayv1.NamespacesFromSame:
		return func(other string) bool { return other == own }, nil
	case gatewayv1.NamespacesFromSelector:
	case gatewayv1.NamespacesFromNone:
		return none, nil
	default:
		return none, nil
	}
	matching, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return none, err
	}
	return func(name string) bool {
		object, ok := t.objects.namespaces[name]
		if !ok {
			return false
		}
		set := labels.Set{corev1.LabelMetadataName: name} // The API server sets it; manifests need not have it.
		return matching.Matches(labels.Merge(set, object.Labels))
	}, nil
}

// allows tells whether a route may attach.
func (l *listener) allows(route ir.Ref) bool {
	return slices.Contains(l.kinds, route.Kind) && l.fromNamespace(route.Namespace)
}

// attach binds a route once, however many parentRefs lead here.
func (l *listener) attach(route *route, domains []string) {
	if slices.ContainsFunc(l.attached, func(a *attachment) bool { return a.route == route }) {
		return
	}
	l.attached = append(l.attached, &attachment{route: route, domains: domains})
}

// setCertificates resolves the certificates of a listener at which TLS ends.
// Those that are good serve, even if others are not.
func (t *translation) setCertificates(owner ir.Ref, l *listener) {
	tls := l.spec.TLS
	switch {
	case tls == nil || len(tls.CertificateRefs) == 0:
		l.unresolved = problemf(string(gatewayv1.ListenerReasonInvalidCertificateRef), "tls.certificateRefs: at least one is required")
		return
	case deref(tls.Mode, gatewayv1.TLSModeTerminate) != gatewayv1.TLSModeTerminate:
		l.refused = problemf(string(gatewayv1.ListenerReasonUnsupportedValue), "tls.mode: %s is not supported by an %s listener", *tls.Mode, l.spec.Protocol)
		return
	}
	var problems []*problem
	for i := range tls.CertificateRefs {
		secret, p := t.certificate(owner, &tls.CertificateRefs[i], string(gatewayv1.ListenerReasonInvalidCertificateRef), t.serverKeyPair)
		if p != nil {
			problems = append(problems, problemf(p.reason, "tls.certificateRefs[%d]: %s", i, p.message))
			continue
		}
		if !slices.Contains(l.certificates, secret) {
			l.certificates = append(l.certificates, secret)
		}
	}
	if p := joinProblems(problems); p != nil {
		l.unresolved = p
	}
}

// certificate is the key pair that an object refers to, as read takes it;
// invalid is the reason where that is not good.
func (t *translation) certificate(
	owner ir.Ref, ref *gatewayv1.SecretObjectReference, invalid string, read func(*corev1.Secret) (*ir.Secret, error),
) (*ir.Secret, *problem) {
	target := ir.Ref{
		Group: string(deref(ref.Group, groupCore)), Kind: string(deref(ref.Kind, kindSecret)),
		Name: ir.Name{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(owner.Namespace))), Name: string(ref.Name)},
	}
	if target.Group != groupCore || target.Kind != kindSecret {
		return nil, problemf(invalid, "kind %s of group %q is not supported: use a Secret", target.Kind, target.Group)
	}
	if p := t.objects.refusal(owner, target); p != nil {
		return nil, p
	}
	object, ok := t.objects.secrets[target.Name]
	if !ok {
		return nil, problemf(invalid, "%s does not exist", describe(target))
	}
	if object.Type != corev1.SecretTypeTLS {
		return nil, problemf(invalid, "%s is of type %q: it must be %s", describe(target), object.Type, corev1.SecretTypeTLS)
	}
	secret, err := read(object)
	if err != nil {
		return nil, problemf(invalid, "%v", err)
	}
	return secret, nil
}

// notes are remarks on a listener that is valid.
func (l *listener) notes() []string {
	if l.spec.TLS == nil || len(l.spec.TLS.Options) == 0 {
		return nil
	}
	var names []string
	for name := range l.spec.TLS.Options {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return []string{"tls.options have no effect here: " + strings.Join(names, ", ")}
}

// status is what the status of the Gateway, or of the ListenerSet, says of the
// listener.
func (l *listener) status() ir.ListenerStatus {
	accepted := l.refused
	switch {
	case l.conflict != nil && l.set != nil:
		accepted = l.conflict
	case l.conflict != nil:
		accepted = &problem{reason: string(gatewayv1.ListenerReasonInvalid), message: l.conflict.message}
	}
	conflicted := ir.Condition{
		Type: string(gatewayv1.ListenerConditionConflicted), Status: ir.False,
		Reason: string(gatewayv1.ListenerReasonNoConflicts), Message: "no other listener has the same port and hostname",
	}
	if l.conflict != nil {
		conflicted.Status, conflicted.Reason, conflicted.Message = ir.True, l.conflict.reason, l.conflict.message
	}
	status := ir.ListenerStatus{
		Name:           string(l.spec.Name),
		AttachedRoutes: int32(len(l.attached)), //nolint:gosec // No cluster has 2^31 routes.
		SupportedKinds: l.kinds,
		Closed:         l.gateway.refused != nil || !l.serves() || len(l.kinds) == 0,
		Chains:         l.chains,
		Conditions: []ir.Condition{
			accepted.condition(conditionAccepted, reasonAccepted, message("the listener is valid", l.notes())),
			conflicted,
			l.unresolved.condition(conditionResolvedRefs, reasonResolvedRefs, "all references resolve"),
		},
	}
	if l.overlaps {
		status.Conditions = append(status.Conditions, ir.Condition{
			Type: string(gatewayv1.ListenerConditionOverlappingTLSConfig), Status: ir.True,
			Reason:  string(gatewayv1.ListenerReasonOverlappingHostnames),
			Message: "the hostname overlaps with that of another listener on this port",
		})
	}
	return status
}
