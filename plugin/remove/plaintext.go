package remove

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/shell"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

// agree asks where routes will lead to a backend that no policy is left for.
func (o *Options) agree(ctx context.Context, going []metav1.PartialObjectMetadata) error {
	routes, err := o.plaintext(ctx, going)
	if err != nil || len(routes) == 0 {
		return err
	}
	if !o.Terminal && !o.Yes && o.DryRun == kube.DryRunNone {
		failure := fail.Failed("without its policy %s would be reached in plaintext", o.Target)
		failure.Details = routes
		return failure.WithFix("%s    # or first delete what leads there", o.again("--yes"))
	}
	for _, route := range routes {
		_, _ = fmt.Fprintf(o.Streams.ErrOut, "warning: %s\n", route)
	}
	if o.Yes || o.DryRun != kube.DryRunNone {
		return nil
	}
	agreed, err := terminal.Ask(ctx, o.Streams.In, o.Streams.ErrOut, "Delete the policy all the same? [y/N] ")
	if err == nil && !agreed {
		err = fail.Failed("not agreed to")
	}
	return err
}

// again is this command with one more flag.
func (o *Options) again(flag string) string {
	words := []string{"kubectl tlsgw remove", o.Target.String()}
	for _, word := range o.Clients.Flags {
		words = append(words, shell.Quote(word))
	}
	if o.Clients.Namespace != o.Clients.ContextNamespace {
		words = append(words, "-n", o.Clients.Namespace)
	}
	return strings.Join(append(words, flag), " ")
}

// covered is what a policy says TLS of: one section of a backend, or all of it.
type covered struct{ group, kind, name, section string }

// plaintext are the routes that will lead to a backend in plaintext, each with
// what that means.
func (o *Options) plaintext(ctx context.Context, going []metav1.PartialObjectMetadata) ([]string, error) {
	uids := map[types.UID]bool{}
	backends := map[string]bool{}
	for i := range going {
		uids[going[i].UID] = true
		backends[going[i].Name] = backends[going[i].Name] || going[i].Kind == v1alpha1.KindBackend
	}
	lost, kept, err := o.policies(ctx, uids)
	if err != nil {
		return nil, err
	}
	var said []string
	for _, one := range lost {
		if one.kind == v1alpha1.KindBackend && backends[one.name] {
			continue // Where there is no backend, no request goes on.
		}
		to, err := o.bare(ctx, one, kept)
		if err != nil {
			return nil, err
		}
		if to == nil {
			continue
		}
		routes, err := leads.Find(ctx, o.Clients.Client, *to)
		if err != nil {
			return nil, o.Clients.Explain(err)
		}
		for _, route := range routes {
			if line := o.describe(route, one); !uids[route.UID] && !route.PassesThrough && !slices.Contains(said, line) {
				said = append(said, line)
			}
		}
	}
	return said, nil
}

// bare is the backend of which TLS was said, as far as no policy is left that
// says so; nil where nothing is.
func (o *Options) bare(ctx context.Context, lost covered, kept []covered) (*leads.Backend, error) {
	to := &leads.Backend{Group: lost.group, Kind: lost.kind, Namespace: o.Clients.Namespace, Name: lost.name}
	isKept := func(section string) bool {
		return slices.ContainsFunc(kept, func(k covered) bool {
			return k.group == lost.group && k.kind == lost.kind && k.name == lost.name && (k.section == "" || k.section == section)
		})
	}
	if lost.kind != "Service" {
		if isKept("") {
			return nil, nil
		}
		return to, nil
	}
	service := &corev1.Service{}
	err := o.Clients.Client.Get(ctx, client.ObjectKey{Namespace: to.Namespace, Name: to.Name}, service)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, o.Clients.Explain(fmt.Errorf("get service %s: %w", lost.name, err))
	}
	for _, port := range service.Spec.Ports {
		if (lost.section == "" || lost.section == port.Name) && !isKept(port.Name) {
			to.Ports = append(to.Ports, port.Port)
		}
	}
	if len(to.Ports) == 0 {
		return nil, nil
	}
	return to, nil
}

func (o *Options) describe(route leads.Route, to covered) string {
	name := route.Resource()
	if route.Namespace != o.Clients.Namespace {
		name += " of namespace " + route.Namespace
	}
	target := strings.ToLower(to.kind) + "/" + to.name
	if to.kind == "Service" {
		target = "svc/" + to.name
	}
	if route.Copies {
		return fmt.Sprintf("%s still copies requests to %s: they will go there in plaintext", name, target)
	}
	return fmt.Sprintf("%s still leads to %s: its requests will go there in plaintext", name, target)
}

// policies are what the policies that go say TLS of, and what the others do.
func (o *Options) policies(ctx context.Context, going map[types.UID]bool) (lost, kept []covered, err error) {
	note := func(uid types.UID, one covered) {
		if going[uid] {
			lost = append(lost, one)
		} else {
			kept = append(kept, one)
		}
	}
	var ofGatewayAPI gatewayv1.BackendTLSPolicyList
	if err := o.list(ctx, &ofGatewayAPI); err != nil {
		return nil, nil, err
	}
	for i := range ofGatewayAPI.Items {
		policy := &ofGatewayAPI.Items[i]
		for _, ref := range policy.Spec.TargetRefs {
			one := covered{group: string(ref.Group), kind: string(ref.Kind), name: string(ref.Name)}
			if ref.SectionName != nil {
				one.section = string(*ref.SectionName)
			}
			note(policy.UID, one)
		}
	}
	var ofKgateway v1alpha1.BackendConfigPolicyList
	if err := o.list(ctx, &ofKgateway); err != nil {
		return nil, nil, err
	}
	for i := range ofKgateway.Items {
		policy := &ofKgateway.Items[i]
		if policy.Spec.TLS == nil {
			continue
		}
		for _, ref := range policy.Spec.TargetRefs {
			note(policy.UID, covered{group: string(ref.Group), kind: string(ref.Kind), name: string(ref.Name)})
		}
	}
	return lost, kept, nil
}

func (o *Options) list(ctx context.Context, into client.ObjectList) error {
	err := o.Clients.Client.List(ctx, into, client.InNamespace(o.Clients.Namespace))
	if err == nil || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return o.Clients.Explain(fmt.Errorf("look for policies in namespace %s: %w", o.Clients.Namespace, err))
}
