package translate

import (
	"cmp"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Kinds of objects that routes and policies name.
const (
	kindService             = "Service"
	kindBackend             = "Backend"
	kindGateway             = "Gateway"
	kindListenerSet         = "ListenerSet"
	kindHTTPRoute           = "HTTPRoute"
	kindGRPCRoute           = "GRPCRoute"
	kindTLSRoute            = "TLSRoute"
	kindSecret              = "Secret"
	kindConfigMap           = "ConfigMap"
	kindBackendTLSPolicy    = "BackendTLSPolicy"
	kindBackendConfigPolicy = "BackendConfigPolicy"

	groupCore     = ""
	groupKgateway = "gateway.kgateway.dev"
)

// maxAncestors is how many ancestors the API allows in a policy's status.
const maxAncestors = 16

// policyIndex finds the policies that target a backend. All lists are in
// order of precedence.
type policyIndex struct {
	// tls has the BackendTLSPolicies by target and sectionName ("" where the
	// policy gives none).
	tls map[ir.Ref]map[string][]*gatewayv1.BackendTLSPolicy
	// config has the BackendConfigPolicies by target named in targetRefs.
	config map[ir.Ref][]*v1alpha1.BackendConfigPolicy
	// selecting has those with targetSelectors, by namespace.
	selecting map[string][]*v1alpha1.BackendConfigPolicy
}

func newPolicyIndex(tls []*gatewayv1.BackendTLSPolicy, config []*v1alpha1.BackendConfigPolicy) *policyIndex {
	x := &policyIndex{
		tls:       map[ir.Ref]map[string][]*gatewayv1.BackendTLSPolicy{},
		config:    map[ir.Ref][]*v1alpha1.BackendConfigPolicy{},
		selecting: map[string][]*v1alpha1.BackendConfigPolicy{},
	}
	for _, policy := range byPrecedence(tls) {
		for _, ref := range policy.Spec.TargetRefs {
			target, section := tlsPolicyTarget(policy.Namespace, ref)
			sections := x.tls[target]
			if sections == nil {
				sections = map[string][]*gatewayv1.BackendTLSPolicy{}
				x.tls[target] = sections
			}
			if !slices.Contains(sections[section], policy) {
				sections[section] = append(sections[section], policy)
			}
		}
	}
	for _, policy := range byPrecedence(config) {
		for _, ref := range policy.Spec.TargetRefs {
			target := configPolicyTarget(policy.Namespace, ref)
			x.config[target] = append(x.config[target], policy)
		}
		if len(policy.Spec.TargetSelectors) > 0 {
			x.selecting[policy.Namespace] = append(x.selecting[policy.Namespace], policy)
		}
	}
	return x
}

// byPrecedence sorts as GEP-713 resolves conflicts: the oldest first, then by
// namespace and name.
func byPrecedence[T client.Object](policies []T) []T {
	return slices.SortedFunc(slices.Values(policies), func(a, b T) int { return comparePrecedence(a, b) })
}

func comparePrecedence(a, b client.Object) int {
	return cmp.Or(
		a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		nameOf(a).Compare(nameOf(b)),
	)
}

func tlsPolicyTarget(namespace string, ref gatewayv1.LocalPolicyTargetReferenceWithSectionName) (target ir.Ref, section string) {
	target = ir.Ref{
		Group: string(ref.Group), Kind: string(ref.Kind),
		Name: ir.Name{Namespace: namespace, Name: string(ref.Name)},
	}
	if ref.SectionName != nil {
		section = string(*ref.SectionName)
	}
	return target, section
}

func configPolicyTarget(namespace string, ref v1alpha1.TargetRef) ir.Ref {
	return ir.Ref{
		Group: string(ref.Group), Kind: string(ref.Kind),
		Name: ir.Name{Namespace: namespace, Name: string(ref.Name)},
	}
}

// serviceRef and backendRef name the two kinds of backends.
func serviceRef(name ir.Name) ir.Ref { return ir.Ref{Group: groupCore, Kind: kindService, Name: name} }
func backendRef(name ir.Name) ir.Ref {
	return ir.Ref{Group: groupKgateway, Kind: kindBackend, Name: name}
}

// describe names an object for a message: "Service default/nginx".
func describe(ref ir.Ref) string { return ref.Kind + " " + ref.String() }

// targetProblem tells why a policy cannot target ref: its kind is not one of
// a backend, or it does not exist.
func (x *index) targetProblem(ref ir.Ref) *problem {
	exists := false
	switch {
	case ref.Group == groupCore && ref.Kind == kindService:
		_, exists = x.services[ref.Name]
	case ref.Group == groupKgateway && ref.Kind == kindBackend:
		_, exists = x.backends[ref.Name]
	default:
		return problemf(string(gatewayv1.PolicyReasonTargetNotFound),
			"targetRefs: kind %s of group %q is not served: the target must be a Service (group \"\") or a Backend (group %s)",
			ref.Kind, ref.Group, groupKgateway)
	}
	if exists {
		return nil
	}
	return problemf(string(gatewayv1.PolicyReasonTargetNotFound), "%s does not exist", describe(ref))
}

// targetAncestor is a target as the ancestor of a policy's status.
func targetAncestor(ref ir.Ref, section string) ir.ParentRef {
	parent := ir.ParentRef{Group: &ref.Group, Kind: &ref.Kind, Name: ref.Name.Name}
	if ref.Namespace != "" {
		parent.Namespace = &ref.Namespace
	}
	if section != "" {
		parent.SectionName = &section
	}
	return parent
}

// gatewayAncestor is a Gateway as the ancestor of a policy's status.
func gatewayAncestor(name ir.Name) ir.ParentRef {
	return targetAncestor(ir.Ref{Group: gatewayv1.GroupName, Kind: kindGateway, Name: name}, "")
}

// uses records which Gateways send traffic to which backends.
type uses map[ir.Ref]map[use]struct{}

// use is one Gateway that reaches one port of a backend; a Backend has no
// ports that policies could name.
type use struct {
	gateway ir.Name
	port    string
	// through says that what is sent is the TLS of clients, to which a policy's
	// TLS does not apply.
	through bool
}

func (u uses) add(b *backend, gateway ir.Name) {
	if b.isNowhere {
		return
	}
	if u[b.target] == nil {
		u[b.target] = map[use]struct{}{}
	}
	u[b.target][use{gateway, b.portName, b.reach == reachThrough}] = struct{}{}
}

// gateways are those that reach a target of a policy in a way that the policy
// has a say in: one of TLS alone has none in what passes through.
func (u uses) gateways(target policyTarget) []ir.Name {
	var names []ir.Name
	for use := range u[target.ref] {
		if (target.section == "" || target.section == use.port) && (!use.through || !target.isTLSOnly) {
			names = append(names, use.gateway)
		}
	}
	slices.SortFunc(names, ir.Name.Compare)
	return slices.Compact(names)
}

// passThrough tells whether the TLS of clients goes to the target.
func (u uses) passThrough(target policyTarget) bool {
	for use := range u[target.ref] {
		if use.through && (target.section == "" || target.section == use.port) {
			return true
		}
	}
	return false
}
