package originate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// checkExisting reports objects of our names that are not ours, and policies
// that already say something about the target.
func (r *run) checkExisting(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		if err := r.checkOwner(ctx, object); err != nil {
			return err
		}
	}
	if err := r.checkTLSPolicies(ctx); err != nil {
		return err
	}
	return r.checkConfigPolicies(ctx)
}

// chooseCopyName leaves alone an object of somebody else that has the name
// which a copied CA would get.
func (r *run) chooseCopyName(ctx context.Context) error {
	if len(r.spec.Trust.Bundle) == 0 {
		return nil
	}
	existing, err := r.clients.Current(ctx, r.spec.BundleCopy())
	if err != nil {
		return err
	}
	r.spec.BundleTaken = existing != nil && existing.GetLabels()[contract.LabelOriginate] != r.spec.OriginateLabel()
	return nil
}

// checkOwner keeps an object that somebody else made from being overwritten
// here, and taken away by remove later.
func (r *run) checkOwner(ctx context.Context, object client.Object) error {
	existing := &unstructured.Unstructured{}
	existing.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	err := r.clients.Client.Get(ctx, client.ObjectKeyFromObject(object), existing)
	if apierrors.IsNotFound(err) {
		return nil
	}
	name := strings.ToLower(existing.GetKind()) + "/" + object.GetName()
	if err != nil {
		return r.clients.Explain(fmt.Errorf("get %s: %w", name, err))
	}
	made := existing.GetLabels()[contract.LabelOriginate]
	if made == r.spec.OriginateLabel() {
		return nil
	}
	found := &finding{message: fmt.Sprintf("%s exists and was not made by originate", name)}
	if made != "" {
		found.message = fmt.Sprintf("%s exists and was made for %s", name, scaffold.DescribeLabel(made))
	}
	found.offer = []string{"name", r.spec.Target.ObjectName() + "-2"}
	found.why = "or --force to take it over"
	r.add(found)
	return nil
}

// checkTLSPolicies looks for other BackendTLSPolicies on the target.
func (r *run) checkTLSPolicies(ctx context.Context) error {
	var list gatewayv1.BackendTLSPolicyList
	if err := r.listPolicies(ctx, &list); err != nil {
		return err
	}
	for i := range list.Items {
		policy := &list.Items[i]
		for _, ref := range policy.Spec.TargetRefs {
			section := ""
			if ref.SectionName != nil {
				section = string(*ref.SectionName)
			}
			if r.targets(string(ref.Group), string(ref.Kind), string(ref.Name)) &&
				(section == r.spec.PortName || r.spec.Policy == scaffold.BackendConfigPolicy) {
				policy.APIVersion, policy.Kind = gatewayv1.GroupVersion.String(), string(scaffold.BackendTLSPolicy)
				r.other(scaffold.BackendTLSPolicy, section, policy)
				break
			}
		}
	}
	return nil
}

// checkConfigPolicies looks for other BackendConfigPolicies with tls.
func (r *run) checkConfigPolicies(ctx context.Context) error {
	var list v1alpha1.BackendConfigPolicyList
	if err := r.listPolicies(ctx, &list); err != nil {
		return err
	}
	for i := range list.Items {
		policy := &list.Items[i]
		if policy.Spec.TLS != nil && r.targetedBy(policy) {
			policy.SetGroupVersionKind(v1alpha1.SchemeGroupVersion().WithKind(v1alpha1.KindBackendConfigPolicy))
			r.other(scaffold.BackendConfigPolicy, "", policy)
		}
	}
	return nil
}

func (r *run) targetedBy(policy *v1alpha1.BackendConfigPolicy) bool {
	for _, ref := range policy.Spec.TargetRefs {
		if r.targets(string(ref.Group), string(ref.Kind), string(ref.Name)) {
			return true
		}
	}
	for _, selector := range policy.Spec.TargetSelectors {
		if r.targets(string(selector.Group), string(selector.Kind), r.targetName()) && includes(r.backend.labels, selector.MatchLabels) {
			return true
		}
	}
	return false
}

// includes says whether a selector that is not empty selects the labels.
func includes(labels, selector map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0 && len(slices.Collect(maps.Keys(labels))) > 0
}

func (r *run) targetName() string {
	if r.spec.Target.Kind == scaffold.Service {
		return r.spec.Target.Name
	}
	return r.spec.BackendName()
}

func (r *run) targets(group, kind, name string) bool {
	if r.spec.Target.Kind == scaffold.Service {
		return group == "" && kind == "Service" && name == r.spec.Target.Name
	}
	return group == v1alpha1.GroupName && kind == v1alpha1.KindBackend && name == r.spec.BackendName()
}

// other deals with a policy on the same target, of one section of it if it
// names one: our own of the other kind is replaced, anybody else's stops us, and
// so does one that also speaks for other ports.
func (r *run) other(kind scaffold.PolicyKind, section string, policy client.Object) {
	ours := policy.GetLabels()[contract.LabelOriginate] == r.spec.OriginateLabel()
	switch {
	case kind == r.spec.Policy && policy.GetName() == r.spec.PolicyName():
		// the one that is applied
	case r.speaksForOthers(kind, section):
		r.add(r.besideFinding(kind, section, policy.GetName()))
	case ours && kind == scaffold.BackendConfigPolicy && kind == r.spec.Policy && r.backend.several:
		// It may have been made for another port.
		if r.o.Force {
			r.replaced = append(r.replaced, policy)
		}
		r.add(&finding{
			code:    diagnose.PolicyConflicted,
			message: fmt.Sprintf("%s/%s already says how TLS is spoken to every port of %s", kind, policy.GetName(), r.spec.Target),
			details: []string{"of two the older one wins, so that the new one would have no effect"},
			offer:   []string{"force", "true"},
			why:     "replaces it",
		})
	case ours:
		r.replaced = append(r.replaced, policy)
	default:
		r.add(r.conflictFinding(kind, policy))
	}
}

// speaksForOthers: without this policy, ports that the new one is not made for
// would lose their settings.
func (r *run) speaksForOthers(kind scaffold.PolicyKind, section string) bool {
	if kind == scaffold.BackendConfigPolicy {
		return r.spec.Policy == scaffold.BackendTLSPolicy && r.backend.several
	}
	return section != "" && section != r.backend.portName
}

// besideFinding is of a policy that is never replaced: both kinds can stand
// side by side, though it is hard to see then which of them says what.
func (r *run) besideFinding(kind scaffold.PolicyKind, section, name string) *finding {
	found := &finding{
		code: diagnose.PolicyConflicted,
		message: fmt.Sprintf("%s/%s says how TLS is spoken to every port of %s, and a %s says so only of port %s",
			kind, name, r.spec.Target, r.spec.Policy, r.backend.portName),
		details: []string{fmt.Sprintf("the BackendTLSPolicy would win for port %s, and the other stay for the rest", r.backend.portName)},
		offer:   []string{"force", "true"}, why: "keeps both",
	}
	if kind == scaffold.BackendTLSPolicy {
		found.message = fmt.Sprintf("%s/%s says how TLS is spoken to port %s of %s, and a %s says so of every port",
			kind, name, section, r.spec.Target, r.spec.Policy)
		found.details = []string{fmt.Sprintf("the BackendTLSPolicy would stay, and win for port %s", section)}
	}
	return found
}

func (r *run) conflictFinding(kind scaffold.PolicyKind, policy client.Object) *finding {
	found := &finding{
		code:    diagnose.PolicyConflicted,
		message: fmt.Sprintf("%s/%s already says how TLS is spoken to %s", kind, policy.GetName(), r.spec.Target),
		fix:     fmt.Sprintf("kubectl delete %s -n %s %s    # then run this again", strings.ToLower(string(kind)), policy.GetNamespace(), policy.GetName()),
	}
	if kind == r.spec.Policy {
		found.details = []string{"of two the older one wins, so that the new one would have no effect"}
	} else {
		found.details = []string{"a BackendTLSPolicy wins over the TLS settings of a BackendConfigPolicy; there should be one"}
	}
	return found
}

// listPolicies lists policies of a kind that the cluster may not know.
func (r *run) listPolicies(ctx context.Context, list client.ObjectList) error {
	err := r.clients.Client.List(ctx, list, client.InNamespace(r.spec.Namespace))
	if err == nil || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return r.clients.Explain(fmt.Errorf("look for policies in namespace %s: %w", r.spec.Namespace, err))
}
