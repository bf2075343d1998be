package translate

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Remarks in the status of a policy.
const noteUnused = "no route of a Gateway of this controller leads to the target"

// policyTarget is a target of a policy, or the one port of it.
type policyTarget struct {
	ref     ir.Ref
	section string
	// missing is why the policy cannot attach to it.
	missing *problem
	// lost names what keeps the policy from being in effect here.
	lost string
	// lostParts names what does so on some ports only.
	lostParts []string
	// shared names other policies that are in effect here as well.
	shared []string
}

// ancestors lays a policy's targets out as ancestors: each Gateway that
// reaches one of them, then each target that is missing; where that is
// nothing, the targets themselves, so that the status is never empty.
//
// conditions says what the policy's status is for a set of its targets.
func (t *translation) ancestors(targets []policyTarget, conditions func(on []policyTarget, unused bool) []ir.Condition) []ir.AncestorStatus {
	byGateway := map[ir.Name][]policyTarget{}
	var missing []policyTarget
	for _, target := range targets {
		if target.missing != nil {
			missing = append(missing, target)
			continue
		}
		for _, gateway := range t.uses.gateways(target.ref, target.section) {
			byGateway[gateway] = append(byGateway[gateway], target)
		}
	}
	gateways := make([]ir.Name, 0, len(byGateway))
	for gateway := range byGateway {
		gateways = append(gateways, gateway)
	}
	slices.SortFunc(gateways, ir.Name.Compare)
	var ancestors []ir.AncestorStatus
	for _, gateway := range gateways {
		ancestors = append(ancestors, ir.AncestorStatus{
			Ancestor: gatewayAncestor(gateway), Conditions: conditions(byGateway[gateway], false),
		})
	}
	own := missing
	if len(gateways) == 0 {
		own = targets
	}
	for _, target := range own {
		ancestors = append(ancestors, ir.AncestorStatus{
			Ancestor:   targetAncestor(target.ref, target.section),
			Conditions: conditions([]policyTarget{target}, target.missing == nil),
		})
	}
	return ancestors[:min(len(ancestors), maxAncestors)]
}

// backendTLSPolicyStatus is the status of a BackendTLSPolicy.
func (t *translation) backendTLSPolicyStatus(policy *gatewayv1.BackendTLSPolicy) ir.ObjectStatus {
	var targets []policyTarget
	for _, ref := range policy.Spec.TargetRefs {
		target := policyTarget{}
		target.ref, target.section = tlsPolicyTarget(policy.Namespace, ref)
		if target.missing = t.objects.targetProblem(target.ref); target.missing == nil {
			target.missing = t.objects.sectionProblem(target.ref, target.section)
		}
		if winner := t.objects.policies.tls[target.ref][target.section][0]; winner != policy {
			target.lost = fmt.Sprintf("%s already targets %s", describe(tlsPolicyRef(winner)), describe(target.ref))
		}
		if !slices.ContainsFunc(targets, func(o policyTarget) bool { return o.ref == target.ref && o.section == target.section }) {
			targets = append(targets, target)
		}
	}
	if len(targets) == 0 {
		targets = noTargets(tlsPolicyRef(policy))
	}
	settings := t.backendTLSPolicy(policy)
	return ir.ObjectStatus{
		Ref:        tlsPolicyRef(policy),
		Generation: policy.Generation,
		Ancestors: t.ancestors(targets, func(on []policyTarget, unused bool) []ir.Condition {
			return []ir.Condition{
				tlsPolicyAccepted(settings, on, unused),
				settings.resolved.condition(string(gatewayv1.BackendTLSPolicyConditionResolvedRefs), reasonResolvedRefs, "all references resolve"),
			}
		}),
	}
}

// sectionProblem tells why a sectionName names no port of the target.
func (x *index) sectionProblem(target ir.Ref, section string) *problem {
	if section == "" {
		return nil
	}
	reason := string(gatewayv1.PolicyReasonTargetNotFound)
	if target.Kind != kindService {
		return problemf(reason, "%s has no ports with names: leave out sectionName %s", describe(target), section)
	}
	service := x.services[target.Name]
	for i := range service.Spec.Ports {
		if service.Spec.Ports[i].Name == section {
			return nil
		}
	}
	return problemf(reason, "%s has no port named %s, only %s", describe(target), section, portList(service))
}

func tlsPolicyAccepted(settings *tlsSettings, on []policyTarget, unused bool) ir.Condition {
	accepted := settings.accepted
	var lost []string
	for _, target := range on {
		if target.missing != nil {
			accepted = target.missing
		}
		if target.lost != "" {
			lost = append(lost, target.lost)
		}
	}
	notes := slices.Clone(settings.notes)
	if accepted == nil && len(lost) > 0 {
		if len(lost) == len(on) {
			accepted = problemf(string(gatewayv1.PolicyReasonConflicted), "%s", strings.Join(lost, "; "))
		}
		notes = append(notes, lost...)
	}
	if unused {
		notes = append(notes, noteUnused)
	}
	return accepted.condition(conditionAccepted, reasonAccepted, message("the policy is valid", notes))
}

// message puts remarks after a statement.
func message(statement string, notes []string) string {
	return strings.Join(append([]string{statement}, notes...), "; ")
}

// backendConfigPolicyStatus is the status of a BackendConfigPolicy.
func (t *translation) backendConfigPolicyStatus(policy *v1alpha1.BackendConfigPolicy) ir.ObjectStatus {
	settings := t.backendConfigPolicy(policy)
	targets := t.configPolicyTargets(policy)
	return ir.ObjectStatus{
		Ref:        configPolicyRef(policy),
		Generation: policy.Generation,
		Ancestors: t.ancestors(targets, func(on []policyTarget, unused bool) []ir.Condition {
			return []ir.Condition{configPolicyAccepted(settings, on, unused), configPolicyAttached(settings, on)}
		}),
	}
}

// noTargets has a policy without targets stand for itself, so that its status
// has a place.
func noTargets(policy ir.Ref) []policyTarget {
	return []policyTarget{{
		ref:     policy,
		missing: problemf(v1alpha1.PolicyReasonTargetNotFound, "the policy names and selects no Service or Backend of its namespace"),
	}}
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
		if policy.Spec.TLS != nil {
			target.lost, target.lostParts = t.overrides(policy, ref)
		}
		for _, other := range t.configPoliciesOf(ref) {
			if other != policy {
				target.shared = append(target.shared, describe(configPolicyRef(other)))
			}
		}
		targets = append(targets, target)
	}
	return targets
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

// overrides names the policies that decide about TLS in this one's place: on
// the whole target, or else on single ports of it.
func (t *translation) overrides(policy *v1alpha1.BackendConfigPolicy, target ir.Ref) (whole string, parts []string) {
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

func configPolicyAccepted(settings *tlsSettings, on []policyTarget, unused bool) ir.Condition {
	accepted := settings.accepted
	for _, target := range on {
		if target.missing != nil {
			accepted = target.missing
		}
	}
	notes := slices.Clone(settings.notes)
	if unused {
		notes = append(notes, noteUnused)
	}
	return accepted.condition(v1alpha1.PolicyConditionAccepted, v1alpha1.PolicyReasonValid, message("the policy is valid", notes))
}

func configPolicyAttached(settings *tlsSettings, on []policyTarget) ir.Condition {
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
			lost = append(lost, fmt.Sprintf("spec.tls is overridden on %s by %s", describe(target.ref), target.lost))
		}
		for _, part := range target.lostParts {
			merged = append(merged, fmt.Sprintf("spec.tls is overridden on %s, %s", describe(target.ref), part))
		}
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
