package templates

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// GatewayValues are what differs between dev Gateways.
type GatewayValues struct {
	// Port is where the HTTP listener answers.
	Port int32
	// Annotations of the Gateway, as contract.AnnotationEnvoyAdmin; nil is
	// none.
	Annotations map[string]string
	// Parameters names the GatewayParameters, in the Gateway's namespace, that
	// say how its proxies are deployed; empty is none.
	Parameters string
}

// Gateway gives the Gateway of a dev cluster and its Namespace. It takes
// routes from all namespaces.
func Gateway(values GatewayValues) ([]client.Object, error) {
	objects, err := render("gateway", map[string]any{
		"Namespace":    contract.DevGatewayNamespace,
		"Name":         contract.DevGatewayName,
		"GatewayClass": contract.GatewayClassName,
		"Port":         values.Port,
		"Annotations":  values.Annotations,
		"ManagedBy":    contract.FieldManager,
	})
	if err != nil || values.Parameters == "" {
		return objects, err
	}
	gateway, ok := objects[len(objects)-1].(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("render template gateway: its last object is a %T", objects[len(objects)-1])
	}
	reference := map[string]any{"group": v1alpha1.GroupName, "kind": "GatewayParameters", "name": values.Parameters}
	if err := unstructured.SetNestedMap(gateway.Object, reference, "spec", "infrastructure", "parametersRef"); err != nil {
		return nil, fmt.Errorf("render template gateway: %w", err)
	}
	return objects, nil
}

// GatewayParameters say how the proxies of a Gateway, or of all Gateways of a
// class, are deployed.
func GatewayParameters(namespace, name string, kube v1alpha1.KubernetesProxy) ([]client.Object, error) {
	return render("gateway-parameters", map[string]any{
		"Namespace": namespace,
		"Name":      name,
		"Kube":      kube,
		"ManagedBy": contract.FieldManager,
	})
}
