package originate

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// sync refreshes the copied CA of the target from where it came, and nothing
// else.
func (r *run) sync(ctx context.Context) error {
	copied, policy, err := r.findCopy(ctx)
	if err != nil {
		return notChanged(err)
	}
	text := copied.GetAnnotations()[contract.AnnotationCASource]
	source, err := parseSource(text)
	if err != nil {
		return notChanged(err)
	}
	if source == nil || source.Kind == FromFile || source.Kind == FromBackend {
		return notChanged(fail.Failed("%s was copied from %s, which --sync cannot read again", copied.GetName(), text).
			WithFix("%s", r.o.command.with("sync", "", "sni", "HOSTNAME", "ca-from", string(FromBackend))))
	}
	loaded, problem, err := source.load(ctx, r.clients, r.spec.Namespace)
	if err != nil {
		return notChanged(err)
	}
	if problem == nil && loaded.AllExpired(r.now) {
		problem = &finding{message: fmt.Sprintf("%s expired on %s", source, day(latest(loaded)))}
	}
	if problem != nil {
		return notChanged(problem.failure(r.o.command))
	}
	r.spec.Policy = policy
	r.spec.Trust = scaffold.Trust{Bundle: loaded.PEM(), Source: text}
	r.spec.Originate = copied.GetLabels()[contract.LabelOriginate]
	refreshed := r.spec.BundleCopy()
	refreshed.SetName(copied.GetName())
	options := kube.ApplyOptions{DryRun: r.o.DryRun != dryRunNone, Force: r.o.Force}
	applied, err := r.clients.Apply(ctx, []client.Object{refreshed}, options)
	if err != nil {
		return notChanged(err)
	}
	r.result("%s %s (from %s)", applied[0].Name, applied[0].Change, source)
	return nil
}

// findCopy is the copy that originate made for the target, and the kind of
// policy that refers to it.
func (r *run) findCopy(ctx context.Context) (client.Object, scaffold.PolicyKind, error) {
	selector := client.MatchingLabels{contract.LabelOriginate: r.spec.Target.Label()}
	var configMaps corev1.ConfigMapList
	if err := r.clients.Client.List(ctx, &configMaps, client.InNamespace(r.spec.Namespace), selector); err != nil {
		return nil, "", r.clients.Explain(fmt.Errorf("look for the copied CA: %w", err))
	}
	for i := range configMaps.Items {
		if configMaps.Items[i].Annotations[contract.AnnotationCASource] != "" {
			return &configMaps.Items[i], scaffold.BackendTLSPolicy, nil
		}
	}
	var secrets corev1.SecretList
	if err := r.clients.Client.List(ctx, &secrets, client.InNamespace(r.spec.Namespace), selector); err != nil {
		return nil, "", r.clients.Explain(fmt.Errorf("look for the copied CA: %w", err))
	}
	for i := range secrets.Items {
		if secrets.Items[i].Annotations[contract.AnnotationCASource] != "" {
			return &secrets.Items[i], scaffold.BackendConfigPolicy, nil
		}
	}
	return nil, "", fail.Failed("originate has copied no CA for %s in namespace %s: there is nothing to refresh", r.spec.Target, r.spec.Namespace)
}
