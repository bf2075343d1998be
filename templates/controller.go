package templates

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

const (
	// proxiesRole names the ClusterRole, and its binding, by which the
	// controller deploys proxies.
	proxiesRole = contract.ControllerServiceAccount + "-proxies"
	// admissionPolicy names the ValidatingAdmissionPolicy, and its binding,
	// that narrows proxiesRole to what Gateways own.
	admissionPolicy = proxiesRole

	defaultReplicas = 2
	defaultLogLevel = "info"
)

// ControllerValues say how the controller runs in a cluster.
type ControllerValues struct {
	// Image is the controller's, required.
	Image string
	// PullPolicy is IfNotPresent when empty.
	PullPolicy corev1.PullPolicy
	// Replicas is 2 when zero.
	Replicas int32
	// LogLevel is info when empty.
	LogLevel string
	// ExtraArgs are added to the controller's arguments.
	ExtraArgs []string
	// ClassParameters is the GatewayClass' parametersRef; nil is none.
	ClassParameters *gatewayv1.ParametersReference
}

// ControllerAccess gives what the controller needs wherever it runs: its
// Namespace, ServiceAccount, ClusterRole and ClusterRoleBinding, and the
// GatewayClass. The CRDs come first.
func ControllerAccess() ([]client.Object, error) {
	return join(access, func() ([]client.Object, error) { return gatewayClass(nil) })
}

// Controller gives what the controller needs to run in a cluster and to deploy
// proxies there, and its Deployment last. The CRDs come first. The API server
// must be of 1.30 or later, which has ValidatingAdmissionPolicy.
func Controller(values ControllerValues) ([]client.Object, error) {
	if values.Image == "" {
		return nil, errors.New("no image of the controller is given")
	}
	return join(
		access,
		deploys,
		func() ([]client.Object, error) { return gatewayClass(values.ClassParameters) },
		func() ([]client.Object, error) { return controller(values) },
	)
}

// join gives the objects of all parts, in their order.
func join(parts ...func() ([]client.Object, error)) ([]client.Object, error) {
	var all []client.Object
	for _, part := range parts {
		objects, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

func access() ([]client.Object, error) {
	return render("controller-access", map[string]any{
		"Namespace":      contract.SystemNamespace,
		"ServiceAccount": contract.ControllerServiceAccount,
		"ManagedBy":      contract.FieldManager,
	})
}

func deploys() ([]client.Object, error) {
	return render("controller-deploys", map[string]any{
		"Namespace":       contract.SystemNamespace,
		"ServiceAccount":  contract.ControllerServiceAccount,
		"Username":        fmt.Sprintf("system:serviceaccount:%s:%s", contract.SystemNamespace, contract.ControllerServiceAccount),
		"ProxiesRole":     proxiesRole,
		"AdmissionPolicy": admissionPolicy,
		"Lease":           contract.ControllerDeployment,
		"AuthoritySecret": contract.XDSAuthoritySecret,
		"ReportLabel":     contract.LabelReplicaReport,
		"ProxyApp":        contract.ProxyApp,
		"ProxyManager":    contract.ProxyManager,
		"SecretType":      contract.SecretTypeIdentity,
		"BootstrapSuffix": contract.ProxyBootstrapSuffix,
		"IdentitySuffix":  contract.ProxyIdentitySuffix,
		"ManagedBy":       contract.FieldManager,
	})
}

func gatewayClass(parameters *gatewayv1.ParametersReference) ([]client.Object, error) {
	return render("gatewayclass", map[string]any{
		"Name":      contract.GatewayClassName,
		"ManagedBy": contract.FieldManager,
		"Spec": gatewayv1.GatewayClassSpec{
			ControllerName: contract.ControllerName,
			ParametersRef:  parameters,
		},
	})
}

func controller(values ControllerValues) ([]client.Object, error) {
	arguments := []string{
		"controller", "--in-cluster",
		// Of no address: of IPv4 and IPv6, whichever the pod has.
		fmt.Sprintf("--xds-address=:%d", contract.XDSPort),
		fmt.Sprintf("--health-address=:%d", contract.ControllerHTTPPort),
		"--log-level=" + cmp.Or(values.LogLevel, defaultLogLevel),
	}
	return render("controller", map[string]any{
		"Name":           contract.ControllerDeployment,
		"Namespace":      contract.SystemNamespace,
		"ServiceAccount": contract.ControllerServiceAccount,
		"ProxyApp":       contract.ProxyApp,
		"XDSPort":        contract.XDSPort,
		"HTTPPort":       contract.ControllerHTTPPort,
		"HTTPPortText":   fmt.Sprint(contract.ControllerHTTPPort),
		"Replicas":       cmp.Or(values.Replicas, defaultReplicas),
		"Image":          values.Image,
		"PullPolicy":     cmp.Or(values.PullPolicy, corev1.PullIfNotPresent),
		"Args":           slices.Concat(arguments, values.ExtraArgs),
		"ManagedBy":      contract.FieldManager,
	})
}
