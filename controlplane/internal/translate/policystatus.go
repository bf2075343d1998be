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
	// note is a remark on the target.
	note string
}

// ancestors lays a policy's targets out as ancestors: each Gateway that
// reaches one of them, then each target that is missing; where that is
// nothing, the targets themselves, so that the status is never empty.
//
// conditions says what the policy's status is for a set of its targets; old is
// the status that the policy has.
func (t *translation) ancestors(
	policy ir.Ref, old gatewayv1.PolicyStatus, targets []policyTarget, conditions func(on []policyTarget, unused bool) []ir.Condition,
) []ir.AncestorStatus {
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
	others := 0
	for i := range old.Ancestors {
		if string(old.Ancestors[i].ControllerName) != t.options.ControllerName {
			others++
		}
	}
	kept, listed := limited(using, own, maxAncestors-others)
	for _, gateway := range gateways[listed:] {
		t.unlisted[gateway] = append(t.unlisted[gateway], policy)
	}
	return kept
}

// limited keeps as many ancestors as there is room for, and says so where those
// are not all: the first Gateways by name, of which it returns the number, and
// targets that are missing, which need an answer the most, in up to half of the
// places.
func limited(using, own []ir.AncestorStatus, room int) (kept []ir.AncestorStatus, listed int) {
	all := len(using) + len(own)
	room = max(room, 0)
	if all <= room {
		return append(using, own...), len(using)
	}
	ownPlaces := min(len(own), max(room-len(using), room/2))
	listed = min(len(using), room-ownPlaces)
	kept = slices.Concat(using[:listed], own[:ownPlaces])
	for _, ancestor := range kept {
		for i, c := range ancestor.Conditions {
			if c.Type == conditionAccepted {
				note := fmt.Sprintf("the status has room for %d of the %d Gateways and missing targets of the policy", room, all)
				ancestor.Conditions[i].Message = bounded(c.Message + "; " + note)
			}
		}
	}
	return kept, listed
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
		if others, _ := t.objects.otherPorts(target.ref); target.section == "" && len(others) > 0 {
			target.note = fmt.Sprintf("there is no TLS on %s of %s", strings.Join(others, ", "), describe(target.ref))
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
		Ancestors: t.ancestors(tlsPolicyRef(policy), policy.Status, targets, func(on []policyTarget, unused bool) []ir.Condition {
			return []ir.Condition{
				tlsPolicyAccepted(settings, on, unused),
				settings.resolved.condition(string(gatewayv1.BackendTLSPolicyConditionResolvedRefs), reasonResolvedRefs, "all references resolve"),
			}
		}),
	}
}

// otherPorts are the ports of a Service on which there is no TLS, because they
// are not of TCP. all tells whether it has no others.
func (x *index) otherPorts(target ir.Ref) (others []string, all bool) {
	service := x.services[target.Name]
	if target.Kind != kindService || service == nil {
		return nil, false
	}
	for i := range service.Spec.Ports {
		if port := &service.Spec.Ports[i]; !isTCP(port) {
			others = append(others, fmt.Sprintf("port %d (%s)", port.Port, port.Protocol))
		}
	}
	return others, len(others) > 0 && len(others) == len(service.Spec.Ports)
}

// sectionProblem tells why a policy cannot be about the port of the target
// that a sectionName names, or about any where it names none.
func (x *index) sectionProblem(target ir.Ref, section string) *problem {
	if section == "" {
		if others, all := x.otherPorts(target); all {
			return problemf(string(gatewayv1.PolicyReasonInvalid), "%s has only ports on which there is no TLS: %s", describe(target), strings.Join(others, ", "))
		}
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
		case isTCP(port):
			return nil
		default:
			return problemf(string(gatewayv1.PolicyReasonInvalid), "port %s of %s is a %s port, on which there is no TLS", section, describe(target), port.Protocol)
		}
	}
	return problemf(reason, "%s has no port named %s, only %s", describe(target), section, portList(service))
}

// tlsPolicyAccepted says whether the policy decides about the TLS of these
// targets. Whether others do comes before whether it could: what it says is not
// in effect then.
func tlsPolicyAccepted(settings *tlsSettings, on []policyTarget, unused bool) ir.Condition {
	accepted := settings.accepted
	var missing *problem
	var lost []string
	notes := slices.Clone(settings.notes)
	passed := false
	for _, target := range on {
		if target.missing != nil {
			missing = target.missing
		}
		if target.lost != "" {
			lost = append(lost, target.lost)
		}
		if target.note != "" {
			notes = append(notes, target.note)
		}
		passed = passed || target.passed
	}
	switch {
	case missing != nil:
		accepted = missing
	case len(lost) > 0 && len(lost) == len(on):
		if accepted != nil {
			lost = append(lost, "and the policy is not valid itself: "+accepted.message)
		}
		accepted = problemf(string(gatewayv1.PolicyReasonConflicted), "%s", strings.Join(lost, "; "))
	default:
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
