package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

const (
	installing       = "an installation"
	kindGatewayClass = "GatewayClass"
)

// Prepared is an installation that can be applied to one cluster.
type Prepared struct {
	// Objects to apply, in order.
	Objects []client.Object
	// Notes say what is left as it is, and why.
	Notes []string
	// Checked is what the API server says an apply of Objects would do, of
	// each; where it cannot say it yet, because a kind or the namespace is
	// not there, the object is taken as created.
	Checked []kube.Applied

	clients *kube.Clients
	options Options
}

// Prepare reads the cluster and decides what to apply, which the API server
// then checks. It writes nothing. All that stands in the way is one error.
func Prepare(ctx context.Context, clients *kube.Clients, o Options) (*Prepared, error) {
	prepared, err := prepare(ctx, clients, o)
	if err != nil {
		failure := fail.As(err)
		failure.Outcome = Unchanged
		return nil, failure
	}
	return prepared, nil
}

func prepare(ctx context.Context, clients *kube.Clients, o Options) (*Prepared, error) {
	planned, err := Plan(o)
	if err != nil {
		return nil, err
	}
	if err := CheckVersion(ctx, clients, "kubectl config get-contexts    # upgrade the cluster, or choose another --context"); err != nil {
		return nil, err
	}
	// Without rights, what follows would only say so again, one by one.
	lacking, err := lackingRights(ctx, clients, planned, "get", "create", "patch")
	if err != nil {
		return nil, err
	}
	if lacking != nil {
		return nil, refuse(installing, []obstacle{*lacking})
	}
	s, err := look(ctx, clients, planned)
	if err != nil {
		return nil, err
	}
	objects, notes, obstacles, err := s.decide(o)
	if err != nil {
		return nil, err
	}
	p := &Prepared{Objects: objects, Notes: notes, clients: clients, options: o}
	if len(obstacles) == 0 {
		if obstacles, err = p.check(ctx, s); err != nil {
			return nil, err
		}
	}
	return p, refuse(installing, obstacles)
}

// decide says what of the plan is to be applied. It is pure.
func (s *survey) decide(o Options) (objects []client.Object, notes []string, obstacles []obstacle, err error) {
	channel, note, in := gatewayAPIOf(s.definitions, s.guarded).decide(o.Channel)
	if note != "" {
		notes = append(notes, note)
	}
	if in != nil {
		obstacles = append(obstacles, *in)
	}
	o.Channel = channel
	if o.ClassParameters == nil {
		o.ClassParameters = s.classParameters()
	}
	planned, err := Plan(o)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, object := range planned {
		apply, note, in := s.decideObject(object)
		if apply {
			objects = append(objects, object)
		}
		if note != "" {
			notes = append(notes, note)
		}
		if in != nil {
			obstacles = append(obstacles, *in)
		}
	}
	return objects, notes, obstacles, nil
}

// classParameters are those that the GatewayClass has: whoever set them, an
// upgrade keeps them.
func (s *survey) classParameters() *gatewayv1.ParametersReference {
	for _, there := range s.objects {
		if there.GetKind() != kindGatewayClass {
			continue
		}
		class := &gatewayv1.GatewayClass{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(there.Object, class); err == nil {
			return class.Spec.ParametersRef
		}
	}
	return nil
}

func (s *survey) decideObject(object client.Object) (apply bool, note string, in *obstacle) {
	if definition, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
		return s.decideDefinition(definition)
	}
	there := s.objects[key(object)]
	if there == nil {
		return true, "", nil
	}
	name := kube.NameOf(object)
	switch {
	case object.GetObjectKind().GroupVersionKind().Kind == kindGatewayClass:
		controller, _, _ := unstructured.NestedString(there.Object, "spec", "controllerName")
		if controller != contract.ControllerName {
			return false, "", &obstacle{
				message: fmt.Sprintf("%s is another controller's: %s", name, controller),
				fix:     "kubectl delete gatewayclass " + object.GetName() + "    # if nobody needs it",
			}
		}
	case ours(there):
	case object.GetObjectKind().GroupVersionKind().Kind == "Namespace":
		return false, name + " was there and is not ours: left as it is", nil
	default:
		return false, "", &obstacle{
			message: strings.TrimSuffix(fmt.Sprintf("%s was there and is not ours (it has no label %s=%s), in namespace %s",
				name, contract.LabelManagedBy, contract.FieldManager, object.GetNamespace()), ", in namespace "),
			fix: "kubectl delete " + name + inNamespace(object) + "    # if nobody needs it",
		}
	}
	return true, "", nil
}

func inNamespace(object client.Object) string {
	if object.GetNamespace() == "" {
		return ""
	}
	return " -n " + object.GetNamespace()
}

// decideDefinition leaves those of gateway.kgateway.dev alone that are not
// ours. Gateway API's have been decided on together.
func (s *survey) decideDefinition(definition *apiextensionsv1.CustomResourceDefinition) (apply bool, note string, in *obstacle) {
	there := s.definitions[definition.Name]
	if there == nil || ours(there) || there.Spec.Group != v1alpha1.GroupName {
		return true, "", nil
	}
	if missing := lacking(there); len(missing) > 0 {
		return false, "", &obstacle{
			message: fmt.Sprintf("the definition %s is not ours to change, and lacks %s", there.Name, strings.Join(missing, ", ")),
			fix:     "upgrade kgateway, or remove its definitions if it is not in use: kubectl get " + there.Name + " -A",
		}
	}
	return false, "the definition " + there.Name + " was there and is not ours: left as it is, and it will do", nil
}

// check has the API server check every object that it can, with all that an
// apply would do but the writing.
func (p *Prepared) check(ctx context.Context, s *survey) ([]obstacle, error) {
	options := p.applyOptions()
	options.DryRun = true
	results := make([]kube.Applied, len(p.Objects))
	obstacles := make([]*obstacle, len(p.Objects))
	err := parallel(ctx, len(p.Objects), func(ctx context.Context, i int) error {
		object := p.Objects[i]
		if !s.checkable(object) {
			manifest, err := unstructuredOf(object)
			results[i] = kube.Applied{Name: kube.NameOf(object), Change: kube.Created, Object: manifest}
			return err
		}
		applied, err := p.clients.Apply(ctx, []client.Object{object}, options)
		if err != nil {
			if fail.Code(err) == fail.CodeUnreachable || ctx.Err() != nil {
				return err
			}
			found := obstacleOf(err)
			obstacles[i] = &found
			return nil
		}
		results[i] = applied[0]
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.Checked = results
	var found []obstacle
	for _, o := range obstacles {
		if o != nil {
			found = append(found, *o)
		}
	}
	return found, nil
}

// checkable: the kind and the namespace of the object are there already. New
// definitions are checked only where a policy might refuse them: that takes
// the API server long.
func (s *survey) checkable(object client.Object) bool {
	if _, isDefinition := object.(*apiextensionsv1.CustomResourceDefinition); isDefinition {
		return s.guarded || s.definitions[object.GetName()] != nil
	}
	gvk := object.GetObjectKind().GroupVersionKind()
	if custom := slices.Contains([]string{"gateway.networking.k8s.io", v1alpha1.GroupName}, gvk.Group); custom {
		plural := strings.ToLower(gvk.Kind) + "es" // of GatewayClass, the only one
		return s.definitions[plural+"."+gvk.Group] != nil
	}
	namespace := object.GetNamespace()
	return namespace == "" || s.objects["namespace/"+namespace+" -n "] != nil
}

func (p *Prepared) applyOptions() kube.ApplyOptions {
	return kube.ApplyOptions{
		Force:       p.options.Force,
		ConflictFix: "kubectl tlsgw install --force    # takes these fields over",
	}
}
