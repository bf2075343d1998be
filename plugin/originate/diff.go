package originate

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// diff prints how the cluster would change, object by object, and fails when
// it would: against what the API server would make of it, or with a client
// dry run against the objects themselves.
func (r *run) diff(ctx context.Context, objects []client.Object) error {
	changed := 0
	for _, object := range objects {
		after, err := r.after(ctx, object)
		if err != nil {
			return notChanged(err)
		}
		before, err := r.clients.Current(ctx, object)
		if err != nil {
			return notChanged(err)
		}
		text, err := kube.Diff(before, after, "originate")
		if err != nil {
			return notChanged(err)
		}
		if text != "" {
			changed++
			_, _ = fmt.Fprint(r.o.Streams.Out, text)
		}
	}
	for _, policy := range r.replaced {
		changed++
		r.result("# %s/%s would be deleted", policy.GetObjectKind().GroupVersionKind().Kind, policy.GetName())
	}
	if changed > 0 {
		return &fail.Error{Code: fail.CodeFailed, Err: fail.ErrSilent}
	}
	r.say("no difference")
	return nil
}

func (r *run) after(ctx context.Context, object client.Object) (*unstructured.Unstructured, error) {
	if r.o.DryRun == kube.DryRunClient {
		return scaffold.Manifest(object)
	}
	applied, err := r.clients.Apply(ctx, []client.Object{object}, kube.ApplyOptions{DryRun: true, Force: r.o.Force})
	if err != nil {
		return nil, err
	}
	return applied[0].Object, nil
}
