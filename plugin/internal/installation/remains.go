package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// remains is what a cluster has of an installation.
type remains struct {
	controller, proxies, rest, definitions []client.Object
}

// remains reads what is there of the plan, in the order in which it goes.
func (r *Removal) remains(ctx context.Context, planned []client.Object) (*remains, error) {
	s, err := look(ctx, r.clients, planned)
	if err != nil {
		return nil, err
	}
	found := &remains{}
	for _, object := range slices.Backward(planned) {
		r.sort(s, object, found)
	}
	if found.proxies, err = r.proxies(ctx); err != nil {
		return nil, err
	}
	return found, r.keepNamespace(ctx, found)
}

// sort puts an object of the plan where it belongs, if the cluster has it.
func (r *Removal) sort(s *survey, object client.Object, found *remains) {
	if definition, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
		if there := s.definitions[definition.Name]; there != nil && ours(there) {
			there.TypeMeta = definition.TypeMeta
			found.definitions = append(found.definitions, there)
		}
		return
	}
	there := s.objects[key(object)]
	switch {
	case there == nil:
	case !ours(there):
		r.Notes = append(r.Notes, kube.NameOf(there)+inNamespace(there)+" is not ours: left as it is")
	case isController(there):
		found.controller = append(found.controller, there)
	default:
		found.rest = append(found.rest, there)
	}
}

// proxies are what the controller deployed for Gateways; it notes the Gateways
// of every class of the controller.
func (r *Removal) proxies(ctx context.Context) ([]client.Object, error) {
	if err := r.gateways(ctx); err != nil {
		return nil, err
	}
	var proxies []client.Object
	for _, kind := range []metav1.TypeMeta{
		{APIVersion: "apps/v1", Kind: "Deployment"},
		{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		{APIVersion: "v1", Kind: "Service"},
		{APIVersion: "v1", Kind: "ServiceAccount"},
		{APIVersion: "v1", Kind: "ConfigMap"},
		{APIVersion: "v1", Kind: "Secret"},
	} {
		objects, err := r.list(ctx, kind, client.MatchingLabels{
			contract.LabelManagedBy: contract.ProxyManager,
			contract.LabelName:      contract.ProxyApp,
		})
		if err != nil {
			return nil, err
		}
		for i := range objects {
			proxies = append(proxies, &objects[i])
		}
	}
	return proxies, nil
}

func (r *Removal) gateways(ctx context.Context) error {
	var classes gatewayv1.GatewayClassList
	if err := r.clients.Client.List(ctx, &classes); err != nil {
		if noSuchKind(err) {
			return nil
		}
		return r.clients.Explain(fmt.Errorf("list gateway classes: %w", err))
	}
	served := map[gatewayv1.ObjectName]bool{}
	for i := range classes.Items {
		class := &classes.Items[i]
		if class.Spec.ControllerName != contract.ControllerName {
			continue
		}
		served[gatewayv1.ObjectName(class.Name)] = true
		if class.Name != contract.GatewayClassName {
			r.Notes = append(r.Notes, "gatewayclass.gateway.networking.k8s.io/"+class.Name+" is not ours: left as it is")
		}
	}
	var gateways gatewayv1.GatewayList
	if err := r.clients.Client.List(ctx, &gateways); err != nil {
		if noSuchKind(err) {
			return nil
		}
		return r.clients.Explain(fmt.Errorf("list gateways: %w", err))
	}
	for i := range gateways.Items {
		if gateway := &gateways.Items[i]; served[gateway.Spec.GatewayClassName] {
			r.Gateways = append(r.Gateways, qualified(gateway))
		}
	}
	slices.Sort(r.Gateways)
	return nil
}

// keepNamespace takes the namespace off the list where something of others is
// in it, and puts what the controller made there on the list instead.
func (r *Removal) keepNamespace(ctx context.Context, found *remains) error {
	at := slices.IndexFunc(found.rest, func(o client.Object) bool { return o.GetObjectKind().GroupVersionKind().Kind == "Namespace" })
	others, made, err := r.inhabitants(ctx)
	if err != nil {
		return err
	}
	if at >= 0 && len(others) == 0 {
		return nil // all that is there goes with it
	}
	if at >= 0 {
		found.rest = slices.Delete(found.rest, at, at+1)
		r.Notes = append(r.Notes, fmt.Sprintf("namespace/%s is kept: it has %s, which are not ours", contract.SystemNamespace, abbreviated(others)))
	}
	found.rest = append(made, found.rest...)
	return nil
}

// inhabitants are what is in the controller's namespace: that of others, by
// name, and what the controller itself made.
func (r *Removal) inhabitants(ctx context.Context) (others []string, made []client.Object, err error) {
	kinds, err := r.namespacedKinds()
	if err != nil {
		return nil, nil, err
	}
	found := make([][]metav1.PartialObjectMetadata, len(kinds))
	err = parallel(ctx, len(kinds), func(ctx context.Context, i int) (err error) {
		found[i], err = r.list(ctx, kinds[i], client.InNamespace(contract.SystemNamespace))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, objects := range found {
		for i := range objects {
			object := &objects[i]
			switch {
			case madeByController(object):
				made = append(made, object)
			case !incidental(object) && !ours(object):
				others = append(others, kube.NameOf(object))
			}
		}
	}
	return others, made, nil
}

// namespacedKinds are all kinds of objects that a namespace can hold, without
// those that only follow others.
func (r *Removal) namespacedKinds() ([]metav1.TypeMeta, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(r.clients.Config)
	if err != nil {
		return nil, err
	}
	// A group that does not answer, as metrics, holds nothing of its own.
	lists, err := disco.ServerPreferredNamespacedResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, r.clients.Explain(fmt.Errorf("ask for the kinds of the cluster: %w", err))
	}
	var kinds []metav1.TypeMeta
	for _, list := range lists {
		for _, resource := range list.APIResources {
			follows := slices.Contains([]string{"Event", "Endpoints", "EndpointSlice", "PodMetrics"}, resource.Kind)
			if !follows && slices.Contains(resource.Verbs, "list") && slices.Contains(resource.Verbs, "delete") {
				kinds = append(kinds, metav1.TypeMeta{APIVersion: list.GroupVersion, Kind: resource.Kind})
			}
		}
	}
	return kinds, nil
}

// madeByController: the CA of xDS, the Lease, and the replicas' reports.
func madeByController(object *metav1.PartialObjectMetadata) bool {
	_, report := object.Labels[contract.LabelReplicaReport]
	return report ||
		object.Kind == "Secret" && object.Name == contract.XDSAuthoritySecret ||
		object.Kind == "Lease" && object.Name == contract.ControllerDeployment
}

// incidental objects come with a namespace or with other objects.
func incidental(object *metav1.PartialObjectMetadata) bool {
	return len(object.OwnerReferences) > 0 ||
		object.Kind == "ServiceAccount" && object.Name == "default" ||
		object.Kind == "ConfigMap" && object.Name == "kube-root-ca.crt" ||
		object.Kind == "Secret" && strings.HasPrefix(object.Name, "default-token-")
}

// objectsLeft are the objects of the kinds of definitions, and these kinds. Our own GatewayClass goes anyway.
func (r *Removal) objectsLeft(ctx context.Context, definitions []client.Object) (lost, kinds []string, err error) {
	for _, object := range definitions {
		definition, ok := object.(*apiextensionsv1.CustomResourceDefinition)
		if !ok {
			continue
		}
		version := slices.IndexFunc(definition.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Served })
		if version < 0 {
			continue
		}
		objects, err := r.list(ctx, metav1.TypeMeta{
			APIVersion: definition.Spec.Group + "/" + definition.Spec.Versions[version].Name,
			Kind:       definition.Spec.Names.Kind,
		})
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for i := range objects {
			if o := &objects[i]; o.Kind != kindGatewayClass || o.Name != contract.GatewayClassName || !ours(o) {
				names = append(names, qualified(o))
			}
		}
		if len(names) > 0 {
			kinds = append(kinds, definition.Name)
			lost = append(lost, definition.Spec.Names.Plural+": "+abbreviated(names))
		}
	}
	return lost, kinds, nil
}
