package verify

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
)

// policy is a TLS-originating policy of either kind.
type policy struct {
	kind, namespace, name string
	generation            int64
	created               time.Time
	// object is what the API server gave.
	object client.Object
	// unread is why its targets are not all known; nil if they are.
	unread    error
	targets   []policyTarget
	selectors []v1alpha1.TargetSelector
	trust     trustSource
	identity  diagnose.Identity
	// minTLS and maxTLS are the versions that it names, as "1.2".
	minTLS, maxTLS string
	status         gatewayv1.PolicyStatus
}

type policyTarget struct {
	kind, name string
	// section is a port's name; empty targets all ports.
	section string
}

// trustSource is where a policy says that CA certificates are.
type trustSource struct {
	refs   []caRef
	system bool
	// file is a path in the proxy.
	file string
	none bool
}

type caRef struct{ kind, name string }

func fromBackendTLSPolicy(p *gatewayv1.BackendTLSPolicy) *policy {
	v := p.Spec.Validation
	out := &policy{
		kind: kindBackendTLSPolicy, namespace: p.Namespace, name: p.Name,
		generation: p.Generation, created: p.CreationTimestamp.Time, status: p.Status,
		object:   p,
		minTLS:   string(p.Spec.Options[contract.OptionMinTLSVersion]),
		maxTLS:   string(p.Spec.Options[contract.OptionMaxTLSVersion]),
		identity: diagnose.Identity{SNI: string(v.Hostname), Field: kindBackendTLSPolicy + "/" + p.Name + " validation.hostname"},
		trust:    trustSource{system: v.WellKnownCACertificates != nil && *v.WellKnownCACertificates != ""},
	}
	for _, t := range p.Spec.TargetRefs {
		target := policyTarget{kind: string(t.Kind), name: string(t.Name)}
		if t.SectionName != nil {
			target.section = string(*t.SectionName)
		}
		out.targets = append(out.targets, target)
	}
	for _, ref := range v.CACertificateRefs {
		out.trust.refs = append(out.trust.refs, caRef{string(ref.Kind), string(ref.Name)})
	}
	for _, san := range v.SubjectAltNames {
		out.identity.Field = kindBackendTLSPolicy + "/" + p.Name + " validation.subjectAltNames"
		if san.Type == gatewayv1.URISubjectAltNameType {
			out.identity.SANs = append(out.identity.SANs, diagnose.SAN{Type: diagnose.URI, Value: string(san.URI)})
			continue
		}
		out.identity.SANs = append(out.identity.SANs, diagnose.SAN{Type: diagnose.DNS, Value: string(san.Hostname)})
	}
	if len(out.identity.SANs) == 0 {
		out.identity.SANs = []diagnose.SAN{{Type: diagnose.DNS, Value: string(v.Hostname)}}
	}
	return out
}

// fromBackendConfigPolicy is nil for a policy without tls.
func fromBackendConfigPolicy(p *v1alpha1.BackendConfigPolicy) *policy {
	t := p.Spec.TLS
	if t == nil {
		return nil
	}
	out := &policy{
		kind: kindBackendConfigPolicy, namespace: p.Namespace, name: p.Name,
		generation: p.Generation, created: p.CreationTimestamp.Time, status: p.Status,
		selectors: p.Spec.TargetSelectors, object: p,
	}
	if parameters := t.Parameters; parameters != nil {
		out.minTLS, out.maxTLS = version(parameters.MinVersion), version(parameters.MaxVersion)
	}
	for _, ref := range p.Spec.TargetRefs {
		out.targets = append(out.targets, policyTarget{kind: string(ref.Kind), name: string(ref.Name)})
	}
	switch {
	case t.SecretRef != nil:
		out.trust.refs = []caRef{{"Secret", t.SecretRef.Name}}
	case t.WellKnownCACertificates != nil:
		out.trust.system = true
	case t.InsecureSkipVerify != nil && *t.InsecureSkipVerify:
		out.trust.none = true
	case t.Files != nil && t.Files.RootCA != nil:
		out.trust.file = *t.Files.RootCA
	default:
		out.trust.none = true
	}
	out.identity = configIdentity(p.Name, t)
	return out
}

// version leaves AUTO to the controller.
func version(v *v1alpha1.TLSVersion) string {
	if named := value(v, v1alpha1.TLSVersionAuto); named != v1alpha1.TLSVersionAuto {
		return string(named)
	}
	return ""
}

func configIdentity(name string, t *v1alpha1.TLS) diagnose.Identity {
	identity := diagnose.Identity{Field: kindBackendConfigPolicy + "/" + name + " tls.sni"}
	if t.SNI != nil {
		identity.SNI = *t.SNI
		identity.SANs, identity.Implied = []diagnose.SAN{{Type: diagnose.DNS, Value: *t.SNI}}, true
	}
	if len(t.VerifySubjectAltNames) > 0 {
		identity.Field = kindBackendConfigPolicy + "/" + name + " tls.verifySubjectAltNames"
		identity.SANs, identity.Implied = nil, false
		for _, san := range t.VerifySubjectAltNames {
			identity.SANs = append(identity.SANs, diagnose.SAN{Type: diagnose.DNS, Value: san})
		}
	}
	return identity
}

// beats orders policies of one target as Gateway API does: a
// BackendTLSPolicy before a BackendConfigPolicy, then the older, then by name.
func (p *policy) beats(o *policy) int {
	rank := func(q *policy) int {
		if q.kind == kindBackendTLSPolicy {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(rank(p), rank(o)), p.created.Compare(o.created),
		cmp.Compare(p.namespace, o.namespace), cmp.Compare(p.name, o.name),
	)
}

// evidence is the policy in the words of a diagnosis.
func (p *policy) evidence(winner *policy) *diagnose.Policy {
	out := &diagnose.Policy{
		Kind: p.kind, Namespace: p.namespace, Name: p.name, Generation: p.generation, Targets: len(p.targets),
		MinTLS: p.minTLS, MaxTLS: p.maxTLS,
	}
	if winner != nil && winner != p {
		out.Winner = winner.kind + "/" + winner.name
	}
	for _, a := range p.status.Ancestors {
		out.Statuses = append(out.Statuses, diagnose.PolicyStatus{
			Controller:   string(a.ControllerName),
			Kind:         string(value(a.AncestorRef.Kind, kindGateway)),
			Namespace:    string(value(a.AncestorRef.Namespace, gatewayv1.Namespace(p.namespace))),
			Name:         string(a.AncestorRef.Name),
			Accepted:     condition(a.Conditions, "Accepted"),
			Attached:     condition(a.Conditions, "Attached"),
			ResolvedRefs: condition(a.Conditions, "ResolvedRefs"),
		})
	}
	slices.SortStableFunc(out.Statuses, func(a, b diagnose.PolicyStatus) int { return cmp.Compare(a.Controller, b.Controller) })
	return out
}

func condition(conditions []metav1.Condition, kind string) *diagnose.Condition {
	for _, c := range conditions {
		if c.Type == kind {
			return &diagnose.Condition{
				True: c.Status == metav1.ConditionTrue, Reason: c.Reason, Message: c.Message, Generation: c.ObservedGeneration,
			}
		}
	}
	return nil
}
