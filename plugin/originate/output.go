package originate

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// apply writes the objects, takes away what they replace, and waits.
func (r *run) apply(ctx context.Context, objects []client.Object) error {
	var leads leading
	var live *liveGateway
	var liveErr error
	if r.o.Wait {
		leads = r.leadingRoute(ctx)
	}
	if leads.route != nil {
		if live, liveErr = r.watchGateway(ctx, leads.route); liveErr == nil {
			defer live.close()
		}
	}
	applied, err := r.clients.Apply(ctx, objects, kube.ApplyOptions{Force: r.o.Force})
	if r.o.Output == "" {
		for _, one := range applied {
			r.result("%s %s", one.Name, one.Change)
		}
	}
	if err != nil {
		return halfDone(err, applied)
	}
	if err := r.removeReplaced(ctx); err != nil {
		return halfDone(err, applied)
	}
	if r.o.Output != "" {
		if err := kube.Print(r.o.Streams.Out, r.o.Output, objects); err != nil {
			return err
		}
	}
	if !r.o.Wait {
		r.say("Check it: %s", r.verifyCommand())
		return nil
	}
	err = r.await(ctx, applied, leads, live, liveErr)
	if err != nil && ctx.Err() != nil {
		return r.notLive(fail.Failed("interrupted before it was seen to be live"))
	}
	return err
}

// removeReplaced deletes policies of the other kind that were made for the
// same target, now that their successor is there.
func (r *run) removeReplaced(ctx context.Context) error {
	for _, policy := range r.replaced {
		name, err := r.clients.ResourceName(policy)
		if err != nil {
			return err
		}
		if err := r.clients.Client.Delete(ctx, policy); client.IgnoreNotFound(err) != nil {
			return r.clients.Explain(fmt.Errorf("delete %s: %w", name, err))
		}
		if r.o.Output == "" {
			r.result("%s deleted (replaced by %s)", name, r.spec.Policy)
		}
	}
	return nil
}

// halfDone says exactly what was applied before an error.
func halfDone(err error, applied []kube.Applied) error {
	failure := fail.As(err)
	if len(applied) == 0 {
		failure.Outcome = unchanged
		return failure
	}
	names := make([]string, 0, len(applied))
	for _, one := range applied {
		names = append(names, one.Name+" "+string(one.Change))
	}
	failure.Outcome = "applied before this: " + strings.Join(names, ", ")
	return failure
}

// printDryRun prints what would have been applied; checked is what the API
// server said of it, if it was asked.
func (r *run) printDryRun(objects []client.Object, checked []kube.Applied) error {
	if r.o.Output != "" {
		return kube.Print(r.o.Streams.Out, r.o.Output, objects)
	}
	for i, object := range objects {
		name, err := r.clients.ResourceName(object)
		if err != nil {
			return err
		}
		change := "applied"
		if i < len(checked) {
			change = string(checked[i].Change)
		}
		r.result("%s %s (%s dry run)", name, change, r.o.DryRun)
	}
	r.say("%s", unchanged)
	return nil
}

// result prints a line of the result.
func (r *run) result(format string, args ...any) {
	_, _ = fmt.Fprintf(r.o.Streams.Out, format+"\n", args...)
}

func (r *run) verifyCommand() string {
	target := r.spec.Target
	if target.Kind == scaffold.Host {
		target = scaffold.Target{Kind: scaffold.Backend, Name: r.spec.BackendName()}
	}
	text := "kubectl tlsgw verify " + target.String()
	for _, flag := range r.o.command.flags {
		if flag.name == "namespace" || flag.name == "context" || flag.name == "kubeconfig" {
			text += " " + strings.Join(flag.words(), " ")
		}
	}
	return text
}
