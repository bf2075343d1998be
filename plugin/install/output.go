package install

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/installation"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// printDryRun prints what would have been applied; checked is what the API
// server said of it, if it was asked.
func (o *Options) printDryRun(objects []client.Object, checked []kube.Applied) error {
	if o.Output != "" {
		return kube.Print(o.Streams.Out, o.Output, objects)
	}
	for i, object := range objects {
		change := "applied"
		if i < len(checked) {
			change = string(checked[i].Change)
		}
		o.result("%s %s (%s dry run)", kube.NameOf(object), change, o.DryRun)
	}
	o.say("%s", installation.Unchanged)
	return nil
}

// diff compares the cluster with what the API server would make of it.
func (o *Options) diff(ctx context.Context, prepared *installation.Prepared) error {
	after := make([]*unstructured.Unstructured, 0, len(prepared.Checked))
	for _, one := range prepared.Checked {
		after = append(after, one.Object)
	}
	return o.compare(ctx, after)
}

// diffPlan compares the cluster with the plan itself.
func (o *Options) diffPlan(ctx context.Context, objects []client.Object) error {
	after := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		manifest, err := scaffold.Manifest(object)
		if err != nil {
			return err
		}
		after = append(after, manifest)
	}
	return o.compare(ctx, after)
}

func (o *Options) compare(ctx context.Context, after []*unstructured.Unstructured) error {
	changed := 0
	for _, object := range after {
		before, err := o.Clients.Current(ctx, object)
		if err != nil {
			return fail.As(err).WithOutcome(installation.Unchanged)
		}
		if before == nil && object.GetKind() == "CustomResourceDefinition" {
			changed++ // thousands of lines that nobody reads
			o.result("# %s would be created", kube.NameOf(object))
			continue
		}
		text, err := kube.Diff(before, object, "install")
		if err != nil {
			return err
		}
		if text != "" {
			changed++
			_, _ = fmt.Fprint(o.Streams.Out, text)
		}
	}
	if changed > 0 {
		return &fail.Error{Code: fail.CodeFailed, Err: fail.ErrSilent}
	}
	o.say("no difference")
	return nil
}

// result prints a line of the result, say one of progress.
func (o *Options) result(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Streams.Out, format+"\n", args...)
}

func (o *Options) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Streams.ErrOut, format+"\n", args...)
}
