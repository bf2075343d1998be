package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// backendConfigPolicyStatus is the status of a BackendConfigPolicy.
func (t *translation) backendConfigPolicyStatus(policy *v1alpha1.BackendConfigPolicy) ir.ObjectStatus {
	settings := t.backendConfigPolicy(policy)
	targets := t.configPolicyTargets(policy)
	return ir.ObjectStatus{
		Ref:        configPolicyRef(policy),
		Generation: policy.Generation,
		Ancestors: t.ancestors(configPolicyRef(policy), policy.Status, targets, func(on []policyTarget, unused bool) []ir.Condition {
			return []ir.Condition{t.configPolicyAccepted(policy, settings, on, unused), configPolicyAttached(settings, on)}
		}),
	}
}

// configPolicyTargets are the targets that a policy names, and those that it
// selects.
func (t *translation) configPolicyTargets(policy *v1alpha1.BackendConfigPolicy) []policyTarget {
	var refs []ir.Ref
	for _, ref := range policy.Spec.TargetRefs {
		refs = append(refs, configPolicyTarget(policy.Namespace, ref))
	}
	for _, selector := range policy.Spec.TargetSelectors {
		refs = append(refs, t.selected(policy.Namespace, selector)...)
	}
	if len(refs) == 0 {
		return noTargets(configPolicyRef(policy))
	}
	var targets []policyTarget
	for _, ref := range refs {
		if slices.ContainsFunc(targets, func(o policyTarget) bool { return o.ref == ref }) {
			continue
		}
		target := policyTarget{ref: ref, missing: t.objects.targetProblem(ref)}
		target.lost, target.lostParts = t.overrides(policy, ref)
		for _, other := range t.configPoliciesOf(ref) {
			if other != policy && t.takesEffect(other, ref) {
				target.shared = append(target.shared, describe(configPolicyRef(other)))
			}
		}
		targets = append(targets, target)
	}
	return targets
}

// takesEffect tells whether a policy decides anything on a target.
func (t *translation) takesEffect(policy *v1alpha1.BackendConfigPolicy, target ir.Ref) bool {
	if slices.Contains(t.connection(target).policies, configPolicyRef(policy)) {
		return true
	}
	if policy.Spec.TLS == nil {
		return false
	}
	lost, _ := t.tlsOverrides(policy, target)
	return lost == ""
}

// selected are the targets of a selector, sorted.
func (t *translation) selected(namespace string, selector v1alpha1.TargetSelector) []ir.Ref {
	var refs []ir.Ref
	for _, name := range t.objects.names(string(selector.Kind), namespace) {
		ref := ir.Ref{Group: string(selector.Group), Kind: string(selector.Kind), Name: name}
		if t.selects(selector, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// overrides says what of a policy others decide on a target: all of it, or the
// parts.
func (t *translation) overrides(policy *v1alpha1.BackendConfigPolicy, target ir.Ref) (whole string, parts []string) {
	settings := t.backendConfigPolicy(policy)
	lost := t.connection(target).lost[nameOf(policy)]
	keeps := len(lost) < len(settings.settings.list)
	for _, field := range lost {
		name, winner, _ := strings.Cut(field, " by ")
		parts = append(parts, fmt.Sprintf("%s is overridden on %s by %s", name, describe(target), winner))
	}
	if policy.Spec.TLS != nil {
		byAll, byPorts := t.tlsOverrides(policy, target)
		keeps = keeps || byAll == ""
		if byAll != "" {
			parts = append([]string{fmt.Sprintf("spec.tls is overridden on %s by %s", describe(target), byAll)}, parts...)
		}
		for _, port := range byPorts {
			parts = append(parts, fmt.Sprintf("spec.tls is overridden on %s, %s", describe(target), port))
		}
	}
	if !keeps && len(parts) > 0 {
		return strings.Join(parts, "; "), nil
	}
	return "", parts
}

// tlsOverrides names the policies that decide about TLS in this one's place:
// on the whole target, or else on single ports of it.
func (t *translation) tlsOverrides(policy *v1alpha1.BackendConfigPolicy, target ir.Ref) (whole string, parts []string) {
	for _, other := range t.configPoliciesOf(target) {
		if other == policy {
			break
		}
		if other.Spec.TLS != nil {
			whole = describe(configPolicyRef(other))
			break
		}
	}
	sections := t.objects.policies.tls[target]
	if claims := sections[""]; len(claims) > 0 {
		return describe(tlsPolicyRef(claims[0])), nil
	}
	if stray, _ := t.objects.policies.stray(target); stray != nil {
		return describe(tlsPolicyRef(stray)), nil
	}
	service, ok := t.objects.services[target.Name]
	if whole != "" || target.Kind != kindService || !ok {
		return whole, nil
	}
	for i := range service.Spec.Ports {
		if claims := sections[service.Spec.Ports[i].Name]; len(claims) > 0 {
			parts = append(parts, fmt.Sprintf("port %s by %s", service.Spec.Ports[i].Name, describe(tlsPolicyRef(claims[0]))))
		}
	}
	if len(parts) == len(service.Spec.Ports) {
		return strings.Join(parts, ", "), nil
	}
	return "", parts
}

// configPolicyAccepted says what of a policy is valid, and what of it cannot
// take effect on these targets.
func (t *translation) configPolicyAccepted(policy *v1alpha1.BackendConfigPolicy, settings *configSettings, on []policyTarget, unused bool) ir.Condition {
	accepted := settings.accepted
	statement, reason := "the policy is valid", v1alpha1.PolicyReasonValid
	notes := slices.Clone(settings.notes)
	if errs := settings.settings.errs; len(errs) > 0 {
		statement, reason = "the rest of the policy is valid", v1alpha1.PolicyReasonPartiallyValid
		notes = append(slices.Clone(errs), notes...)
	}
	for _, target := range on {
		if target.missing != nil {
			accepted = target.missing
		}
		notes = append(notes, t.notes[noteKey{nameOf(policy), target.ref}]...)
	}
	if unused {
		notes = append(notes, noteUnused)
	}
	return accepted.condition(v1alpha1.PolicyConditionAccepted, reason, message(statement, notes))
}

func configPolicyAttached(settings *configSettings, on []policyTarget) ir.Condition {
	attached := &problem{reason: v1alpha1.PolicyReasonPending, message: "the policy is not accepted"}
	if settings.accepted == nil {
		attached = nil
	}
	var lost, merged []string
	for _, target := range on {
		if target.missing != nil {
			attached = target.missing
		}
		if target.lost != "" {
			lost = append(lost, target.lost)
		}
		merged = append(merged, target.lostParts...)
		if len(target.shared) > 0 {
			merged = append(merged, fmt.Sprintf("merged on %s with %s", describe(target.ref), strings.Join(target.shared, ", ")))
		}
	}
	if attached == nil && len(lost) > 0 && len(lost) == len(on) {
		attached = problemf(v1alpha1.PolicyReasonOverridden, "%s", strings.Join(lost, "; "))
	}
	reason := v1alpha1.PolicyReasonAttached
	if len(merged) > 0 || len(lost) > 0 {
		reason = v1alpha1.PolicyReasonMerged
	}
	return attached.condition(v1alpha1.PolicyConditionAttached, reason, message("the policy is in effect", append(lost, merged...)))
}
