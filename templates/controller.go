package templates

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Controller gives what the controller needs in a cluster before it runs: its
// Namespace, ServiceAccount, ClusterRole and ClusterRoleBinding, and the
// GatewayClass. The CRDs come first.
func Controller() ([]client.Object, error) {
	return render("controller", map[string]any{
		"Namespace":      contract.SystemNamespace,
		"ServiceAccount": contract.ControllerServiceAccount,
		"GatewayClass":   contract.GatewayClassName,
		"ControllerName": contract.ControllerName,
		"ManagedBy":      contract.FieldManager,
	})
}
