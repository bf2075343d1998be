package installation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

const (
	// servedTimeout bounds the wait for a new kind to be served.
	servedTimeout = 30 * time.Second
	// servedInterval is how often it is asked for.
	servedInterval = 50 * time.Millisecond
)

// Apply writes: the definitions at once, until all are served, then the rest
// in order. progress, which may be nil, is given each object as it is done.
// The error says what was applied before it.
func (p *Prepared) Apply(ctx context.Context, progress func(kube.Applied)) ([]kube.Applied, error) {
	if progress == nil {
		progress = func(kube.Applied) {}
	}
	applied, err := p.apply(ctx, progress)
	if err == nil {
		return applied, nil
	}
	failure := fail.As(err)
	if failure.Outcome = Unchanged; len(applied) > 0 {
		failure.Outcome = "applied before this: " + namesOf(applied) + "; the same command goes on from there"
	}
	return applied, failure
}

func (p *Prepared) apply(ctx context.Context, progress func(kube.Applied)) ([]kube.Applied, error) {
	var definitions []*apiextensionsv1.CustomResourceDefinition
	for _, object := range p.Objects {
		if definition, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
			definitions = append(definitions, definition)
		}
	}
	applied, err := p.applyDefinitions(ctx, definitions)
	for _, one := range applied {
		progress(one)
	}
	if err != nil {
		return applied, err
	}
	for i := len(definitions); i < len(p.Objects); i++ {
		one, err := p.applyOne(ctx, i)
		if err != nil {
			return applied, err
		}
		progress(one)
		applied = append(applied, one)
	}
	return applied, nil
}

// applyOne leaves out what would not change anything.
func (p *Prepared) applyOne(ctx context.Context, i int) (kube.Applied, error) {
	if p.Checked[i].Change == kube.Unchanged {
		return p.Checked[i], nil
	}
	one, err := p.clients.Apply(ctx, []client.Object{p.Objects[i]}, p.applyOptions())
	if err != nil {
		return kube.Applied{}, err
	}
	return one[0], nil
}

// applyDefinitions gives those that were applied, also with an error.
func (p *Prepared) applyDefinitions(ctx context.Context, definitions []*apiextensionsv1.CustomResourceDefinition) ([]kube.Applied, error) {
	results := make([]kube.Applied, len(definitions))
	err := parallel(ctx, len(definitions), func(ctx context.Context, i int) error {
		one, err := p.applyOne(ctx, i)
		if err != nil {
			return err
		}
		results[i] = one
		if one.Change == kube.Unchanged {
			return nil
		}
		if err := p.clients.Wait(ctx, definitions[i].DeepCopy(), "established", established); err != nil {
			return err
		}
		return p.served(ctx, definitions[i])
	})
	var applied []kube.Applied
	for _, one := range results {
		if one.Name != "" {
			applied = append(applied, one)
		}
	}
	return applied, err
}

func established(object client.Object) (bool, string) {
	definition, ok := object.(*apiextensionsv1.CustomResourceDefinition)
	if !ok {
		return false, fmt.Sprintf("a %T", object)
	}
	seen := "no condition Established"
	for _, condition := range definition.Status.Conditions {
		switch {
		case condition.Type == apiextensionsv1.NamesAccepted && condition.Status == apiextensionsv1.ConditionFalse:
			return false, condition.Message
		case condition.Type == apiextensionsv1.Established:
			if condition.Status == apiextensionsv1.ConditionTrue {
				return true, ""
			}
			seen = condition.Message
		}
	}
	return false, seen
}

// served waits until the API server lists a new kind among those that it has,
// and answers requests for it: both come a moment after it is established.
func (p *Prepared) served(ctx context.Context, definition *apiextensionsv1.CustomResourceDefinition) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	tick := time.NewTicker(servedInterval)
	defer tick.Stop()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(definition.Spec.Group + "/" + definition.Spec.Versions[0].Name)
	list.SetKind(definition.Spec.Names.ListKind)
	for {
		err := p.clients.Client.List(ctx, list, client.Limit(1))
		if err == nil || !meta.IsNoMatchError(err) && fail.Code(p.clients.Explain(err)) == fail.CodeFailed && !retriable(err) {
			return nil // forbidden to list is served, too
		}
		select {
		case <-ctx.Done():
			return fail.Failed("%s is not served in time: %w", definition.Name, err)
		case <-tick.C:
		}
	}
}

func namesOf(applied []kube.Applied) string {
	names := make([]string, 0, len(applied))
	for _, one := range applied {
		names = append(names, one.Name+" "+string(one.Change))
	}
	return strings.Join(names, ", ")
}

func unstructuredOf(object client.Object) (*unstructured.Unstructured, error) {
	return scaffold.Manifest(object)
}

// parallel does n things, some at once, and returns the first error.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// retriable: the API server is about to serve a kind, and says try again.
func retriable(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err)
}
