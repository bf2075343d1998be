package templates

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// GatewayValues are what differs between dev Gateways.
type GatewayValues struct {
	// Port is where the HTTP listener answers.
	Port int32
	// Annotations of the Gateway, as contract.AnnotationEnvoyAdmin; nil is
	// none.
	Annotations map[string]string
}

// Gateway gives the Gateway of a dev cluster and its Namespace. It takes
// routes from all namespaces.
func Gateway(values GatewayValues) ([]client.Object, error) {
	return render("gateway", map[string]any{
		"Namespace":    contract.DevGatewayNamespace,
		"Name":         contract.DevGatewayName,
		"GatewayClass": contract.GatewayClassName,
		"Port":         values.Port,
		"Annotations":  values.Annotations,
		"ManagedBy":    contract.FieldManager,
	})
}
