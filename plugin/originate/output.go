package originate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
		if err := r.printObjects(objects); err != nil {
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
	failure := asFailure(err)
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
		return r.printObjects(objects)
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

func (r *run) printObjects(objects []client.Object) error {
	switch r.o.Output {
	case "name":
		for _, object := range objects {
			name, err := r.clients.ResourceName(object)
			if err != nil {
				return err
			}
			r.result("%s", name)
		}
		return nil
	case "json":
		return r.printJSON(objects)
	}
	text, err := scaffold.YAML(objects)
	if err != nil {
		return err
	}
	_, err = r.o.Streams.Out.Write(text)
	return err
}

// printJSON prints one List, as kubectl does.
func (r *run) printJSON(objects []client.Object) error {
	list := struct {
		APIVersion string           `json:"apiVersion"`
		Kind       string           `json:"kind"`
		Items      []map[string]any `json:"items"`
	}{APIVersion: "v1", Kind: "List"}
	for _, object := range objects {
		manifest, err := scaffold.Manifest(object)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, manifest.Object)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	if err := encoder.Encode(list); err != nil {
		return fmt.Errorf("encode objects: %w", err)
	}
	_, err := r.o.Streams.Out.Write(out.Bytes())
	return err
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

// live is the object as the cluster has it; nil when it has none.
func (r *run) live(ctx context.Context, object client.Object) (*unstructured.Unstructured, error) {
	existing := &unstructured.Unstructured{}
	existing.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	err := r.clients.Client.Get(ctx, client.ObjectKeyFromObject(object), existing)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, r.clients.Explain(fmt.Errorf("get %s: %w", object.GetName(), err))
	}
	return existing, nil
}
