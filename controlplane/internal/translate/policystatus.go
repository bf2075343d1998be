package translate

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Remarks in the status of a policy.
const (
	noteUnused = "no route of a Gateway of this controller leads to the target"
	notePassed = "a TLSRoute passes the TLS of clients through to the target as it comes, without the policy" //nolint:gosec // It is a remark.
)

// policyTarget is a target of a policy, or the one port of it.
type policyTarget struct {
	ref     ir.Ref
	section string
	// isTLSOnly says that the policy decides about TLS and nothing else, and
	// passed that some of what goes to the target is TLS of clients.
	isTLSOnly, passed bool
	// missing is why the policy cannot attach to it.
	missing *problem
	// lost names what keeps the policy from being in effect here.
	lost string
	// lostParts say what of it others decide here.
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
		for _, gateway := range t.uses.gateways(target) {
			byGateway[gateway] = append(byGateway[gateway], target)
		}
	}
	gateways := make([]ir.Name, 0, len(byGateway))
	for gateway := range byGateway {
		gateways = append(gateways, gateway)
	}
	slices.SortFunc(gateways, ir.Name.Compare)
	var using, own []ir.AncestorStatus
	for _, gateway := range gateways {
		using = append(using, ir.AncestorStatus{
			Ancestor: gatewayAncestor(gateway), Conditions: conditions(byGateway[gateway], false),
		})
	}
	if len(gateways) == 0 {
		missing = targets
	}
	for _, target := range missing {
		own = append(own, ir.AncestorStatus{
			Ancestor:   targetAncestor(target.ref, target.section),
			Conditions: conditions([]policyTarget{target}, target.missing == nil),
		})
	}
	return limited(using, own)
}

// limited keeps as many ancestors as the API takes, and says so where those
// are not all: the first Gateways by name, and targets that are missing, which
// need an answer the most, in up to half of the places.
func limited(using, own []ir.AncestorStatus) []ir.AncestorStatus {
	all := len(using) + len(own)
	if all <= maxAncestors {
		return append(using, own...)
	}
	ownPlaces := min(len(own), max(maxAncestors-len(using), maxAncestors/2))
	kept := slices.Concat(using[:min(len(using), maxAncestors-ownPlaces)], own[:ownPlaces])
	for _, ancestor := range kept {
		for i, c := range ancestor.Conditions {
			if c.Type == conditionAccepted {
				note := fmt.Sprintf("a status has room for %d of the %d Gateways and missing targets of the policy", maxAncestors, all)
				ancestor.Conditions[i].Message = bounded(c.Message + "; " + note)
			}
		}
	}
	return kept
}

// backendTLSPolicyStatus is the status of a BackendTLSPolicy.
func (t *translation) backendTLSPolicyStatus(policy *gatewayv1.BackendTLSPolicy) ir.ObjectStatus {
	var targets []policyTarget
	for _, ref := range policy.Spec.TargetRefs {
		target := policyTarget{isTLSOnly: true}
		target.ref, target.section = tlsPolicyTarget(policy.Namespace, ref)
		target.passed = t.uses.passThrough(target)
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
		switch port := &service.Spec.Ports[i]; {
		case port.Name != section:
		case port.Protocol == "" || port.Protocol == corev1.ProtocolTCP:
			return nil
		default:
			return problemf(string(gatewayv1.PolicyReasonInvalid), "port %s of %s is a %s port, on which there is no TLS", section, describe(target), port.Protocol)
		}
	}
	return problemf(reason, "%s has no port named %s, only %s", describe(target), section, portList(service))
}

func tlsPolicyAccepted(settings *tlsSettings, on []policyTarget, unused bool) ir.Condition {
	accepted := settings.accepted
	var lost []string
	passed := false
	for _, target := range on {
		if target.missing != nil {
			accepted = target.missing
		}
		if target.lost != "" {
			lost = append(lost, target.lost)
		}
		passed = passed || target.passed
	}
	notes := slices.Clone(settings.notes)
	if accepted == nil && len(lost) > 0 {
		if len(lost) == len(on) {
			accepted = problemf(string(gatewayv1.PolicyReasonConflicted), "%s", strings.Join(lost, "; "))
		}
		notes = append(notes, lost...)
	}
	switch {
	case passed:
		notes = append(notes, notePassed)
	case unused:
		notes = append(notes, noteUnused)
	}
	return accepted.condition(conditionAccepted, reasonAccepted, message("the policy is valid", notes))
}

// message puts remarks after a statement.
func message(statement string, notes []string) string {
	return strings.Join(append([]string{statement}, notes...), "; ")
}

// noTargets has a policy without targets stand for itself, so that its status
// has a place.
func noTargets(policy ir.Ref) []policyTarget {
	return []policyTarget{{
		ref:     policy,
		missing: problemf(v1alpha1.PolicyReasonTargetNotFound, "the policy names and selects no Service or Backend of its namespace"),
	}}
}
