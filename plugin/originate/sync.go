package originate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// sync refreshes the copied CAs of the target from where they came, and
// nothing else.
func (r *run) sync(ctx context.Context) error {
	copies, err := r.findCopies(ctx)
	if err != nil {
		return notChanged(err)
	}
	refreshed := make([]client.Object, 0, len(copies))
	sources := make([]*Source, 0, len(copies))
	for _, copied := range copies {
		object, source, err := r.refreshed(ctx, copied)
		if err != nil {
			return notChanged(err)
		}
		refreshed, sources = append(refreshed, object), append(sources, source)
	}
	var checked []kube.Applied
	if r.o.DryRun != kube.DryRunClient {
		if checked, err = r.clients.Apply(ctx, refreshed, kube.ApplyOptions{DryRun: true, Force: r.o.Force}); err != nil {
			return notChanged(err)
		}
	}
	switch {
	case r.o.Diff:
		return r.diff(ctx, refreshed)
	case r.o.DryRun != kube.DryRunNone:
		return r.printDryRun(refreshed, checked)
	}
	applied, err := r.clients.Apply(ctx, refreshed, kube.ApplyOptions{Force: r.o.Force})
	if err != nil {
		return r.halfDone(err, applied)
	}
	for i, one := range applied {
		r.note("%s %s (from %s)", one.Name, one.Change, sources[i])
	}
	if r.o.Output != "" {
		return kube.Print(r.o.Streams.Out, r.o.Output, refreshed)
	}
	return nil
}

// refreshed is a copy as its source would have it now.
func (r *run) refreshed(ctx context.Context, copied client.Object) (client.Object, *Source, error) {
	text := copied.GetAnnotations()[contract.AnnotationCASource]
	source, err := parseSource(text)
	if err != nil {
		return nil, nil, err
	}
	if source == nil || source.Kind == FromFile || source.Kind == FromBackend {
		return nil, nil, fail.Failed("%s was copied from %s, which --sync cannot read again", copied.GetName(), text).
			WithFix("%s", r.o.command.with("sync", "", "sni", "HOSTNAME", "ca-from", string(FromBackend)))
	}
	loaded, problem, err := source.load(ctx, r.clients, r.spec.Namespace)
	if err != nil {
		return nil, nil, err
	}
	if problem == nil && loaded.AllExpired(r.now) {
		problem = &finding{message: fmt.Sprintf("%s expired on %s", source, diagnose.Day(latest(loaded)))}
	}
	if problem != nil {
		return nil, nil, problem.failure(r.o.command)
	}
	spec := r.spec
	spec.Policy = scaffold.BackendTLSPolicy
	if _, ok := copied.(*corev1.Secret); ok {
		spec.Policy = scaffold.BackendConfigPolicy
	}
	spec.Trust = scaffold.Trust{Bundle: loaded.PEM(), Source: text}
	spec.Originate = copied.GetLabels()[contract.LabelOriginate]
	spec.Labels = labelsOfOurs(copied)
	for key, value := range r.spec.Labels {
		spec.Labels[key] = value
	}
	object := spec.BundleCopy()
	object.SetName(copied.GetName())
	return object, source, nil
}

// labelsOfOurs are the labels that originate has given an object: an apply
// without them would take them away.
func labelsOfOurs(object client.Object) map[string]string {
	ours := map[string]string{}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != contract.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels map[string]any `json:"f:labels"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for field := range fields.Metadata.Labels {
			key := strings.TrimPrefix(field, "f:")
			if value, ok := object.GetLabels()[key]; ok {
				ours[key] = value
			}
		}
	}
	return ours
}

// findCopies are the copied CAs that policies of the target refer to: of the
// port that --port names, of the policy that --name names, else of all.
func (r *run) findCopies(ctx context.Context) ([]client.Object, error) {
	if err := r.resolveForSync(ctx); err != nil {
		return nil, err
	}
	trusted, err := r.policyTrust(ctx)
	if err != nil {
		return nil, err
	}
	var copies []client.Object
	for _, referred := range trusted {
		if err := r.clients.Client.Get(ctx, client.ObjectKeyFromObject(referred), referred); client.IgnoreNotFound(err) != nil {
			return nil, r.clients.Explain(fmt.Errorf("get the copied CA %s: %w", referred.GetName(), err))
		}
		if referred.GetAnnotations()[contract.AnnotationCASource] != "" && referred.GetLabels()[contract.LabelOriginate] != "" {
			copies = append(copies, referred)
		}
	}
	if len(copies) == 0 {
		where := r.spec.Target.String()
		if r.o.Port != "" {
			where += " port " + r.o.Port
		}
		return nil, fail.Failed("originate has copied no CA for %s in namespace %s: there is nothing to refresh", where, r.spec.Namespace)
	}
	return copies, nil
}

// resolveForSync finds out only what is needed to tell the target's policies.
func (r *run) resolveForSync(ctx context.Context) error {
	r.backend = &backend{}
	var err error
	switch {
	case r.spec.Target.Kind == scaffold.Backend:
		r.backend, err = r.resolveBackend(ctx)
	case r.spec.Target.Kind == scaffold.Service && r.o.Port != "":
		r.backend, err = r.resolveService(ctx)
	}
	return err
}

// policyTrust are the objects that the target's policies trust, each once, with
// no more than their names.
func (r *run) policyTrust(ctx context.Context) ([]client.Object, error) {
	var ofGatewayAPI gatewayv1.BackendTLSPolicyList
	if err := r.listPolicies(ctx, &ofGatewayAPI); err != nil {
		return nil, err
	}
	var objects []client.Object
	add := func(object client.Object, name string) {
		object.SetNamespace(r.spec.Namespace)
		object.SetName(name)
		if !slices.ContainsFunc(objects, func(o client.Object) bool { return kindAndName(o) == kindAndName(object) }) {
			objects = append(objects, object)
		}
	}
	for i := range ofGatewayAPI.Items {
		policy := &ofGatewayAPI.Items[i]
		if !r.isMeant(policy) || !slices.ContainsFunc(policy.Spec.TargetRefs, r.isMeantSection) {
			continue
		}
		for _, ref := range policy.Spec.Validation.CACertificateRefs {
			if ref.Kind == "Secret" {
				add(&corev1.Secret{}, string(ref.Name))
			} else {
				add(&corev1.ConfigMap{}, string(ref.Name))
			}
		}
	}
	var ofKgateway v1alpha1.BackendConfigPolicyList
	if err := r.listPolicies(ctx, &ofKgateway); err != nil {
		return nil, err
	}
	for i := range ofKgateway.Items {
		policy := &ofKgateway.Items[i]
		if r.isMeant(policy) && policy.Spec.TLS != nil && policy.Spec.TLS.SecretRef != nil && r.targetedBy(policy) {
			add(&corev1.Secret{}, policy.Spec.TLS.SecretRef.Name)
		}
	}
	return objects, nil
}

func kindAndName(object client.Object) string { return fmt.Sprintf("%T %s", object, object.GetName()) }

// isMeant says whether --name, where it is given, names the policy.
func (r *run) isMeant(policy client.Object) bool {
	return r.spec.Name == "" || policy.GetName() == r.spec.PolicyName()
}

// isMeantSection says whether a policy's target is the one, of the port that
// --port names where it is given.
func (r *run) isMeantSection(ref gatewayv1.LocalPolicyTargetReferenceWithSectionName) bool {
	return r.targets(string(ref.Group), string(ref.Kind), string(ref.Name)) &&
		(r.o.Port == "" || ref.SectionName == nil || string(*ref.SectionName) == r.backend.portName)
}
