// Package contract holds the names on which the plugin, the scaffolded
// objects and the controller must agree: class and controller names, labels,
// annotations, ports, and how a backend is named in Envoy's statistics.
//
// It is a leaf: it imports nothing of this module, so that scaffold and
// controlplane can share it without knowing each other.
package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Names of the objects that the project owns.
const (
	// GatewayClassName is the GatewayClass that the controller serves.
	GatewayClassName = "tlsgw"
	// ControllerName is the GatewayClass spec.controllerName of the
	// controller, and the controllerName of every status that it writes.
	ControllerName = "tlsgw.dev/gateway-controller"
	// SystemNamespace holds the controller's own objects.
	SystemNamespace = "tlsgw-system"
	// ControllerServiceAccount is the controller's ServiceAccount in
	// SystemNamespace, and names its ClusterRole.
	ControllerServiceAccount = "tlsgw-controller"
	// ControllerDeployment is the controller's Deployment in SystemNamespace,
	// and names its Service, Lease, NetworkPolicy and PodDisruptionBudget.
	ControllerDeployment = "tlsgw-controller"
	// XDSHost is the controller's Service, as proxies of the cluster dial it.
	XDSHost = ControllerDeployment + "." + SystemNamespace + ".svc"
	// XDSAuthoritySecret holds the CA of the mutual TLS between controller and
	// proxies, in SystemNamespace.
	XDSAuthoritySecret = "tlsgw-xds-ca" // #nosec G101 -- a name
	// FieldManager owns the fields that the plugin applies.
	FieldManager = "kubectl-tlsgw"
	// StatusFieldManager owns the status fields that the controller applies.
	StatusFieldManager = "tlsgw-controller"

	// DevClusterName is the default name of a dev cluster.
	DevClusterName = "tlsgw"
	// DevGatewayNamespace and DevGatewayName name the Gateway of a dev
	// cluster, chosen so that kgateway's guides apply unchanged.
	DevGatewayNamespace = "kgateway-system"
	DevGatewayName      = "http"
	// DevHTTPPort is the port of the dev Gateway's HTTP listener.
	DevHTTPPort = 8080

	// AdminPort is the port of Envoy's admin interface, on loopback only.
	AdminPort = 19000
	// ReadyPort is where Envoy answers readiness probes.
	ReadyPort = 19001
	// XDSPort is where the controller serves ADS over mutual TLS.
	XDSPort = 18000
	// ControllerHTTPPort is where the controller answers /healthz, /readyz and
	// /metrics in its pod.
	ControllerHTTPPort = 8081

	// EnvoyImage is the image that a Gateway's proxies run.
	EnvoyImage = "docker.io/envoyproxy/envoy:distroless-v1.40.0"
)

// Labels and annotations.
const (
	// LabelManagedBy marks what the plugin made; its value is FieldManager.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelOriginate carries the target for which an object was made, as
	// "svc.NAME", "backend.NAME", "host.NAME" or "host.NAME_PORT": remove selects
	// by it.
	LabelOriginate = "tlsgw.dev/originate"
	// LabelApp groups the objects of one service, as the guide has it.
	LabelApp = "app"
	// LabelName is what an object is for.
	LabelName = "app.kubernetes.io/name"
	// LabelGatewayName and LabelGatewayClassName mark what is deployed for a
	// Gateway (GEP-1762).
	LabelGatewayName      = "gateway.networking.k8s.io/gateway-name"
	LabelGatewayClassName = "gateway.networking.k8s.io/gateway-class-name"
	// LabelReplicaReport marks the ConfigMap in which a replica of the
	// controller reports what its proxies have answered. The controller does
	// not read it as configuration.
	LabelReplicaReport = "tlsgw.dev/replica-report"

	// AnnotationCASource says where a copied CA bundle came from, as
	// "KIND/NAME:KEY" in the same namespace.
	AnnotationCASource = "tlsgw.dev/ca-source"
	// AnnotationEnvoyAdmin on a Gateway says where its Envoy's admin
	// interface answers when that Envoy is no pod but a process of this
	// machine. Only loopback HOST:PORT values are ever dialled.
	AnnotationEnvoyAdmin = "tlsgw.dev/envoy-admin"
	// AnnotationEnvoyAddress on a Gateway is the loopback HOST where the
	// listeners of such an Envoy answer.
	AnnotationEnvoyAddress = "tlsgw.dev/envoy-address"
)

// Options of BackendTLSPolicy spec.options that the controller knows.
const (
	OptionMinTLSVersion = "tlsgw.dev/min-tls-version"
	OptionMaxTLSVersion = "tlsgw.dev/max-tls-version"
	OptionALPN          = "tlsgw.dev/alpn"
	OptionCipherSuites  = "tlsgw.dev/cipher-suites"
)

// ReasonExpiredCertificate is the Accepted=False reason of a BackendTLSPolicy
// whose CA certificates have all expired. It is not one of Gateway API's.
const ReasonExpiredCertificate = "ExpiredCertificate"

// CAKey is the key of a ConfigMap or Secret that holds a CA bundle.
const CAKey = "ca.crt"

// InvalidCluster names a cluster that never exists. Routes whose backend is
// invalid point to it, so that Envoy answers 500 for exactly their share,
// 503 to gRPC, and closes connections that are not requests.
const InvalidCluster = "tlsgw-invalid-backend"

// maxStatName is the longest statistics name that is used as it is; Kubernetes
// names can add up to more than is readable on a stats page.
const maxStatName = 120

// ServiceStatName is the name under which Envoy counts for a Service port:
// kube_NAMESPACE_SERVICE_PORT, as kgateway names it. Dots cannot occur in
// Service names, so the parts stay apart on Envoy's stats page.
func ServiceStatName(namespace, name string, port int32) string {
	return bounded(fmt.Sprintf("kube_%s_%s_%d", namespace, name, port))
}

// BackendStatName is the name under which Envoy counts for a Backend:
// backend_NAMESPACE_NAME_0. Dots of a Backend's name become underscores,
// because a dot separates the levels of a statistic.
func BackendStatName(namespace, name string) string {
	plain := fmt.Sprintf("backend_%s_%s_0", namespace, name)
	if dotless := strings.ReplaceAll(plain, ".", "_"); dotless != plain {
		return bounded(dotless + "_" + shortHash(plain))
	}
	return bounded(plain)
}

// PassthroughStatName is the name under which Envoy counts the connections
// that take the TLS of clients to a backend as it comes. They are apart from
// the others, whose TLS is the proxy's own.
func PassthroughStatName(statName string) string { return bounded(statName + "_passthrough") }

// NodeID is the Envoy node id and cluster of a Gateway's proxies.
func NodeID(namespace, name string) string { return namespace + "/" + name }

// NodeURI is the URI SAN that binds a proxy's xDS client certificate to the
// one Gateway whose configuration it may read.
func NodeURI(namespace, name string) string {
	return "spiffe://tlsgw.dev/ns/" + namespace + "/gateway/" + name
}

// XDSServerName is the DNS SAN of the controller's xDS certificate, which
// proxies verify whatever address they dial.
const XDSServerName = "xds.tlsgw-system.svc"

func bounded(s string) string {
	if len(s) <= maxStatName {
		return s
	}
	return s[:maxStatName-9] + "_" + shortHash(s)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
