package translate

import (
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// backendTLS is how one port of a backend is reached.
type backendTLS struct {
	// settings are nil where no policy asks for TLS.
	settings *tlsSettings
	// policy is the one that they come from.
	policy ir.Ref
}

// backendTLS finds the policy that decides about TLS for one port of a
// backend. A BackendTLSPolicy that names the port wins over one for the whole
// target, and both win over a BackendConfigPolicy. The winner decides even if
// it is not valid: nothing falls back to another policy or to plaintext. So
// does one that names a port of a Backend, which has none with names.
func (t *translation) backendTLS(target ir.Ref, port string) backendTLS {
	sections := t.objects.policies.tls[target]
	for _, section := range []string{port, ""} {
		if claims := sections[section]; len(claims) > 0 {
			winner := claims[0]
			return backendTLS{settings: t.backendTLSPolicy(winner), policy: tlsPolicyRef(winner)}
		}
	}
	if stray, section := t.objects.policies.stray(target); stray != nil {
		return backendTLS{settings: &tlsSettings{accepted: t.objects.sectionProblem(target, section)}, policy: tlsPolicyRef(stray)}
	}
	for _, policy := range t.configPoliciesOf(target) {
		if policy.Spec.TLS != nil {
			return backendTLS{settings: &t.backendConfigPolicy(policy).tlsSettings, policy: configPolicyRef(policy)}
		}
	}
	return backendTLS{}
}

// stray finds the BackendTLSPolicy that targets a Backend by a sectionName
// alone: somebody asks for TLS there, and says wrongly where.
func (x *policyIndex) stray(target ir.Ref) (policy *gatewayv1.BackendTLSPolicy, section string) {
	if target.Kind != kindBackend || len(x.tls[target][""]) > 0 {
		return nil, ""
	}
	for name, claims := range x.tls[target] {
		if first := claims[0]; policy == nil || comparePrecedence(first, policy) < 0 || first == policy && name < section {
			policy, section = first, name
		}
	}
	return policy, section
}

func tlsPolicyRef(policy *gatewayv1.BackendTLSPolicy) ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: kindBackendTLSPolicy, Name: nameOf(policy)}
}

func configPolicyRef(policy *v1alpha1.BackendConfigPolicy) ir.Ref {
	return ir.Ref{Group: groupKgateway, Kind: kindBackendConfigPolicy, Name: nameOf(policy)}
}

// configPoliciesOf are the BackendConfigPolicies that target a backend, by
// name or by labels, in order of precedence.
func (t *translation) configPoliciesOf(target ir.Ref) []*v1alpha1.BackendConfigPolicy {
	policies := slices.Clone(t.objects.policies.config[target])
	for _, policy := range t.objects.policies.selecting[target.Namespace] {
		for _, selector := range policy.Spec.TargetSelectors {
			if t.selects(selector, target) {
				policies = append(policies, policy)
				break
			}
		}
	}
	return slices.Compact(byPrecedence(policies))
}

// selects tells whether a selector's kind and labels fit the target.
func (t *translation) selects(selector v1alpha1.TargetSelector, target ir.Ref) bool {
	if string(selector.Group) != target.Group || string(selector.Kind) != target.Kind {
		return false
	}
	labels := t.objects.labelsOf(target)
	for key, value := range selector.MatchLabels {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

func (x *index) labelsOf(target ir.Ref) map[string]string {
	if target.Kind == kindService {
		if service, ok := x.services[target.Name]; ok {
			return service.Labels
		}
		return nil
	}
	if backend, ok := x.backends[target.Name]; ok {
		return backend.Labels
	}
	return nil
}
