// Package remove is the verb that takes away what originate made for a target.
// In go a target; out come the names of what was deleted. It finds its objects
// by the labels that originate gave them, and touches nothing else.
package remove

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// Options is what remove does.
type Options struct {
	Target scaffold.Target
	// DryRun is none, client or server.
	DryRun string
	// Output is empty or name.
	Output string
	// Yes: what is asked is agreed to.
	Yes     bool
	Clients *kube.Clients
	Streams genericiooptions.IOStreams
	// Terminal says whether a person can be asked.
	Terminal bool
}

const long = `Take away what originate made for a target (svc/NAME, backend/NAME or
host/NAME[:PORT]): route, Backend, policy and copied CA, in this order, found by
their labels. Nothing else is touched.

Without its policy a backend is reached in plaintext. Where a route that originate
did not make still leads to it, remove says which, and asks; where nobody can
answer, it deletes nothing without --yes.

Where originate has made nothing, it says so and exits 0: what was asked for is
the case.`

// NewCommand is the verb.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	options := &Options{Streams: streams, Terminal: terminal.Is(streams.In)}
	cmd := &cobra.Command{
		Use:   "remove TARGET",
		Short: "Take away what originate made for a target",
		Long:  long,
		Example: `  kubectl tlsgw remove svc/nginx
  kubectl tlsgw remove host/httpbin.org --dry-run`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := kube.WithoutDryRun(cmd.Flags(), args)
			if err != nil {
				return err
			}
			if err := options.complete(args[0]); err != nil {
				return err
			}
			clients, err := kube.New(flags)
			if err != nil {
				return err
			}
			options.Clients = clients
			return options.Run(cmd.Context())
		},
	}
	cmd.Flags().SortFlags = false
	kube.AddDryRun(cmd.Flags(), &options.DryRun, "delete nothing")
	cmd.Flags().StringVarP(&options.Output, "output", "o", "", "name: print only the names")
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "also where routes would then reach the target in plaintext")
	kube.AddFlags(flags, cmd.Flags())
	return cmd
}

func oneTarget(cmd *cobra.Command, args []string) error {
	args, err := kube.WithoutDryRun(cmd.Flags(), args)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return fail.Usage("remove needs one target, and got %d: svc/NAME, backend/NAME or host/NAME[:PORT]", len(args)).
			WithFix("kubectl tlsgw remove svc/NAME")
	}
	return nil
}

func (o *Options) complete(target string) error {
	var err error
	if o.Target, err = scaffold.ParseTarget(target); err != nil {
		return fail.Usage("%w", err)
	}
	if err := kube.CheckDryRun(o.DryRun); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "name"}, o.Output) {
		return fail.Usage("--output %q is unknown: write name", o.Output)
	}
	return nil
}

// kinds that originate makes, in the order in which they go: the route first,
// and the Backend before its policy, so that no request meets a backend without
// its policy.
func kinds() []schema.GroupVersionKind {
	gatewayAPI := schema.GroupVersion(gatewayv1.GroupVersion)
	return []schema.GroupVersionKind{
		gatewayAPI.WithKind("HTTPRoute"),
		v1alpha1.SchemeGroupVersion().WithKind(v1alpha1.KindBackend),
		gatewayAPI.WithKind(string(scaffold.BackendTLSPolicy)),
		v1alpha1.SchemeGroupVersion().WithKind(v1alpha1.KindBackendConfigPolicy),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		corev1.SchemeGroupVersion.WithKind("Secret"),
	}
}

const unchanged = "nothing was deleted"

// Run deletes the objects and prints their names.
func (o *Options) Run(ctx context.Context) error {
	found, err := o.find(ctx)
	if err != nil {
		return stopped(err, unchanged)
	}
	if len(found) == 0 {
		_, _ = fmt.Fprintf(o.Streams.ErrOut, "originate has made nothing for %s in namespace %s\n", o.Target, o.Clients.Namespace)
		return o.hint(ctx)
	}
	if err := o.agree(ctx, found); err != nil {
		return stopped(err, unchanged)
	}
	for i := range found {
		if err := o.remove(ctx, &found[i]); err != nil {
			if i == 0 || o.DryRun != kube.DryRunNone {
				return stopped(err, unchanged)
			}
			return stopped(err, fmt.Sprintf("%d of %d objects were deleted before this", i, len(found)))
		}
	}
	return nil
}

// stopped says at the end of an error what was (not) deleted.
func stopped(err error, outcome string) error { return fail.As(err).WithOutcome(outcome) }

func (o *Options) find(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	var found []metav1.PartialObjectMetadata
	for _, kind := range kinds() {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := o.Clients.Client.List(ctx, list, client.InNamespace(o.Clients.Namespace), client.MatchingLabels{
			contract.LabelManagedBy: contract.FieldManager,
			contract.LabelOriginate: o.Target.Label(),
		})
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue // a cluster without this kind has none of it
		}
		if err != nil {
			return nil, o.Clients.Explain(fmt.Errorf("look for each %s that originate made: %w", kind.Kind, err))
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kind)
			found = append(found, list.Items[i])
		}
	}
	return found, nil
}

func (o *Options) remove(ctx context.Context, object *metav1.PartialObjectMetadata) error {
	name, err := o.Clients.ResourceName(object)
	if err != nil {
		return err
	}
	if o.DryRun != kube.DryRunClient {
		uid := object.GetUID()
		options := []client.DeleteOption{client.Preconditions{UID: &uid}}
		if o.DryRun == kube.DryRunServer {
			options = append(options, client.DryRunAll)
		}
		if err := o.Clients.Client.Delete(ctx, object, options...); client.IgnoreNotFound(err) != nil {
			return o.Clients.Explain(fmt.Errorf("delete %s: %w", name, err))
		}
	}
	suffix := " deleted"
	switch {
	case o.Output == "name":
		suffix = ""
	case o.DryRun != kube.DryRunNone:
		suffix = fmt.Sprintf(" deleted (%s dry run)", o.DryRun)
	}
	_, _ = fmt.Fprintf(o.Streams.Out, "%s%s\n", name, suffix)
	return nil
}

// hint names the target under which a Backend was made, if it was for a host.
func (o *Options) hint(ctx context.Context) error {
	if o.Target.Kind != scaffold.Backend {
		return nil
	}
	backend := &v1alpha1.Backend{}
	key := client.ObjectKey{Namespace: o.Clients.Namespace, Name: o.Target.Name}
	if err := o.Clients.Client.Get(ctx, key, backend); err != nil {
		return nil //nolint:nilerr // only a hint is lost
	}
	if backend.Spec.Static != nil && len(backend.Spec.Static.Hosts) == 1 {
		host := backend.Spec.Static.Hosts[0]
		made := scaffold.Target{Kind: scaffold.Host, Name: host.Host, Port: host.Port}
		if made.Label() != backend.Labels[contract.LabelOriginate] {
			return nil
		}
		_, _ = fmt.Fprintf(o.Streams.ErrOut, "it was made for a host: kubectl tlsgw remove %s\n", made)
	}
	return nil
}
