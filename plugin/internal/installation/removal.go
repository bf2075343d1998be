package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

const uninstalling = "the removal"

// RemovalOptions say what is to go.
type RemovalOptions struct {
	// CRDs takes the definitions away that are ours.
	CRDs bool
	// Force takes definitions away of which objects are left, and so these
	// objects too.
	Force bool
}

// Removal is what is to be taken out of one cluster.
type Removal struct {
	// Gateways lose their proxies, as NAMESPACE/NAME, sorted.
	Gateways []string
	// Lost are objects that go with their definitions, as "gateways: a/b, ..." for
	// each kind.
	Lost []string
	// Notes say what is left as it is, and why.
	Notes []string

	// stages go one after the other, each when the one before it is gone: the
	// controller first, which would otherwise make anew what goes after it.
	stages  [][]client.Object
	clients *kube.Clients
}

// PrepareRemoval reads the cluster and decides what goes. It writes nothing.
// All that stands in the way is one error.
func PrepareRemoval(ctx context.Context, clients *kube.Clients, o RemovalOptions) (*Removal, error) {
	r := &Removal{clients: clients}
	if err := r.prepare(ctx, o); err != nil {
		failure := fail.As(err)
		failure.Outcome = Unchanged
		return nil, failure
	}
	return r, nil
}

func (r *Removal) prepare(ctx context.Context, o RemovalOptions) error {
	planned, err := r.planned(ctx, o)
	if err != nil {
		return err
	}
	found, err := r.remains(ctx, planned)
	if err != nil {
		return err
	}
	var obstacles []obstacle
	if o.CRDs {
		lost, left, err := r.objectsLeft(ctx, found.definitions)
		if err != nil {
			return err
		}
		if len(left) > 0 && !o.Force {
			obstacles = append(obstacles, obstacle{
				message: "objects are left of the kinds that --crds takes away, and would be deleted with them",
				details: lost,
				fix:     "kubectl get " + strings.Join(left, ",") + " -A    # delete them first, or lose them with --crds --force",
			})
		}
		r.Lost = lost
	} else {
		if len(found.definitions) > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d definitions are kept, with the objects of their kinds: --crds takes them away", len(found.definitions)))
		}
		found.definitions = nil
	}
	r.stages = [][]client.Object{found.controller, found.proxies, found.rest, found.definitions}
	// What the controller made is in namespaces that were not known before.
	lacking, err := lackingRights(ctx, r.clients, r.Objects(), "delete")
	if err != nil {
		return err
	}
	if lacking != nil {
		obstacles = append(obstacles, *lacking)
	}
	return refuse(uninstalling, obstacles)
}

// planned is what any version of an installation may have made. The person
// must have the right to delete it.
func (r *Removal) planned(ctx context.Context, o RemovalOptions) ([]client.Object, error) {
	planned, err := Plan(Options{Image: "any", Channel: ChannelExperimental})
	if err != nil {
		return nil, err
	}
	needed := slices.Clone(planned)
	if !o.CRDs {
		needed = slices.DeleteFunc(needed, func(o client.Object) bool {
			_, isDefinition := o.(*apiextensionsv1.CustomResourceDefinition)
			return isDefinition
		})
	}
	lacking, err := lackingRights(ctx, r.clients, needed, "get", "delete")
	if err != nil || lacking == nil {
		return planned, err
	}
	return nil, refuse(uninstalling, []obstacle{*lacking})
}

// Empty tells whether there is nothing to do.
func (r *Removal) Empty() bool { return len(r.Objects()) == 0 }

// RunOptions say how to delete.
type RunOptions struct {
	// DryRun lets the API server check everything and delete nothing.
	DryRun bool
	// NoWait returns without waiting for the last objects to be gone.
	NoWait bool
	// Progress, which may be nil, is given the name of each object once its
	// deletion was asked for.
	Progress func(name string)
	// Waiting, which may be nil, is given what is still there while it is
	// waited for, when that changes.
	Waiting func(left []string)
}

// Run deletes. The error says what was deleted before it.
func (r *Removal) Run(ctx context.Context, o RunOptions) error {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Waiting == nil {
		o.Waiting = func([]string) {}
	}
	deleted := 0
	for i, stage := range r.stages {
		err := r.deleteAll(ctx, stage, o, &deleted)
		last := i == len(r.stages)-1
		if err == nil && !o.DryRun && (!o.NoWait || !last) {
			err = r.awaitGone(ctx, stage, o.Waiting)
		}
		if err != nil {
			failure := fail.As(err)
			if failure.Outcome = Unchanged; deleted > 0 {
				failure.Outcome = fmt.Sprintf("%d of %d objects were deleted before this; the same command goes on from there",
					deleted, len(r.Objects()))
			}
			return failure
		}
	}
	return nil
}

// Objects are all that Run deletes, in order.
func (r *Removal) Objects() []client.Object { return slices.Concat(r.stages...) }

func (r *Removal) deleteAll(ctx context.Context, stage []client.Object, o RunOptions, deleted *int) error {
	for _, object := range stage {
		uid := object.GetUID()
		options := []client.DeleteOption{client.Preconditions{UID: &uid}}
		if object.GetObjectKind().GroupVersionKind().Kind == "Deployment" { // which is then gone when its pods are
			options = append(options, client.PropagationPolicy(metav1.DeletePropagationForeground))
		}
		if o.DryRun {
			options = append(options, client.DryRunAll)
		}
		name := kube.NameOf(object)
		if err := r.clients.Client.Delete(ctx, object, options...); client.IgnoreNotFound(err) != nil {
			return r.clients.Explain(fmt.Errorf("delete %s%s: %w", name, inNamespace(object), err))
		}
		*deleted++
		o.Progress(name + inNamespace(object))
	}
	return nil
}

// goneInterval is how often deleted objects are looked for.
const goneInterval = 200 * time.Millisecond

// awaitGone waits until none of the objects is there any more.
func (r *Removal) awaitGone(ctx context.Context, objects []client.Object, waiting func(left []string)) error {
	tick := time.NewTicker(goneInterval)
	defer tick.Stop()
	var left []string
	for {
		seen, err := r.still(ctx, objects)
		if err == nil {
			if len(seen) > 0 && !slices.Equal(seen, left) {
				waiting(seen)
			}
			left = seen
		}
		switch {
		case ctx.Err() == nil && err != nil:
			return err
		case ctx.Err() == nil && len(left) == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			if len(left) == 0 {
				return fail.Failed("interrupted while waiting for what was deleted to be gone")
			}
			return fail.Failed("not gone in time: %s", strings.Join(left, ", "))
		case <-tick.C:
		}
	}
}

// still names those of the objects that are there.
func (r *Removal) still(ctx context.Context, objects []client.Object) ([]string, error) {
	var left []string
	for _, object := range objects {
		there := &metav1.PartialObjectMetadata{}
		there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		found, err := get(ctx, r.clients, object, there)
		if err != nil {
			return nil, err
		}
		if found && there.UID == object.GetUID() {
			left = append(left, remaining(there))
		}
	}
	return left, nil
}

// remaining names an object that is being deleted, and who holds it.
func remaining(object *metav1.PartialObjectMetadata) string {
	name := kube.NameOf(object) + inNamespace(object)
	if finalizers := slices.DeleteFunc(slices.Clone(object.Finalizers), func(f string) bool { return f == metav1.FinalizerDeleteDependents }); len(finalizers) > 0 {
		name += " (held by finalizer " + strings.Join(finalizers, ", ") + ")"
	}
	return name
}

// list reads the metadata of all objects of a kind; a kind that is not served
// has none.
func (r *Removal) list(ctx context.Context, kind metav1.TypeMeta, options ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: kind.APIVersion, Kind: kind.Kind + "List"}}
	err := r.clients.Client.List(ctx, list, options...)
	if noSuchKind(err) {
		return nil, nil
	}
	if err != nil {
		return nil, r.clients.Explain(fmt.Errorf("list each %s: %w", kind.Kind, err))
	}
	for i := range list.Items {
		list.Items[i].TypeMeta = kind
	}
	return list.Items, nil
}

func qualified(object client.Object) string {
	return strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

// isController tells whether an object is what must go first.
func isController(object client.Object) bool {
	return object.GetObjectKind().GroupVersionKind().Kind == "Deployment" && object.GetName() == contract.ControllerDeployment
}

func noSuchKind(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }
