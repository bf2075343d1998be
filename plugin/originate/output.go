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
		return r.halfDone(err, applied)
	}
	if err := r.removeReplaced(ctx); err != nil {
		return r.halfDone(err, applied)
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

// removeReplaced deletes policies that were made for the same target, now that
// their successor is there.
func (r *run) removeReplaced(ctx context.Context) error {
	return r.eachReplaced(func(name string, policy client.Object) error {
		if err := r.clients.Client.Delete(ctx, policy); client.IgnoreNotFound(err) != nil {
			return r.clients.Explain(fmt.Errorf("delete %s: %w", name, err))
		}
		r.note("%s deleted (replaced by %s)", name, r.spec.Policy)
		return nil
	})
}

func (r *run) eachReplaced(do func(name string, policy client.Object) error) error {
	for _, policy := range r.replaced {
		name, err := r.clients.ResourceName(policy)
		if err != nil {
			return err
		}
		if err := do(name, policy); err != nil {
			return err
		}
	}
	return nil
}

// halfDone says exactly what was applied before an error, and how to go on.
func (r *run) halfDone(err error, applied []kube.Applied) error {
	failure := fail.As(err)
	if len(applied) == 0 {
		failure.Outcome = unchanged
		return failure
	}
	names := make([]string, 0, len(applied))
	fresh := true // what was there before is not to be taken away
	for _, one := range applied {
		names = append(names, one.Name+" "+string(one.Change))
		fresh = fresh && one.Change == kube.Created
	}
	failure.Outcome = "applied before this: " + strings.Join(names, ", ")
	next, why := r.o.command.with(), "again"
	if fresh {
		next, why = r.removeCommand(), "takes it away again"
	}
	if failure.Fix == "" {
		failure.Fix = next + "    # " + why
	} else if fresh {
		failure.Outcome += "; to take it away: " + next
	}
	return failure
}

// printDryRun prints what would have been applied and deleted; checked is what
// the API server said of it, if it was asked.
func (r *run) printDryRun(objects []client.Object, checked []kube.Applied) error {
	if r.o.Output == "" {
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
	}
	err := r.eachReplaced(func(name string, _ client.Object) error {
		r.note("%s deleted (replaced by %s; %s dry run)", name, r.spec.Policy, r.o.DryRun)
		return nil
	})
	if err != nil {
		return err
	}
	if r.o.Output != "" {
		return kube.Print(r.o.Streams.Out, r.o.Output, objects)
	}
	r.say("%s", unchanged)
	return nil
}

// note prints a line of the result, or, where stdout is to have the objects
// alone, of progress.
func (r *run) note(format string, args ...any) {
	if r.o.Output == "" {
		r.result(format, args...)
		return
	}
	r.say(format, args...)
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
	return r.sameCluster("kubectl tlsgw verify " + target.String())
}

// removeCommand takes away what was made, under the target that it was made for.
func (r *run) removeCommand() string {
	target := r.spec.Target.String()
	if r.spec.Originate != "" {
		target = scaffold.DescribeLabel(r.spec.Originate)
	}
	return r.sameCluster("kubectl tlsgw remove " + target)
}

// sameCluster is a command that speaks to the cluster and namespace of this one.
func (r *run) sameCluster(text string) string {
	for _, flag := range r.o.command.flags {
		if flag.name == "namespace" || flag.name == "context" || flag.name == "kubeconfig" {
			text += " " + strings.Join(flag.words(), " ")
		}
	}
	return text
}
