package contract

import "strings"

// What is deployed for a Gateway.
const (
	// ProxyApp is the LabelName of everything that is deployed for a Gateway.
	ProxyApp = "tlsgw-proxy"
	// ProxyManager is the LabelManagedBy of it, and its field manager.
	ProxyManager = "tlsgw-controller"
	// ProxyContainer is the container of a proxy's pod that runs Envoy.
	ProxyContainer = "envoy"

	// ProxyBootstrapSuffix and ProxyIdentitySuffix follow a Gateway's
	// ProxyName in the names of its ConfigMap and its Secret.
	ProxyBootstrapSuffix = "-bootstrap"
	ProxyIdentitySuffix  = "-xds"

	// SecretTypeIdentity is the type of the Secret with a proxy's xDS client
	// certificate. The controller's own watch of Secrets leaves it out, and no
	// listener takes it for a certificate of its own.
	SecretTypeIdentity = "tlsgw.dev/xds-identity" // #nosec G101 -- a type
)

// maxLabel is the longest DNS label, and the longest value of a Kubernetes
// label.
const maxLabel = 63

// ProxyName names the Deployment, Service, ServiceAccount and
// PodDisruptionBudget of a Gateway in its namespace: the Gateway's own name
// where that can name a Service (RFC 1035), otherwise one like it that ends in
// a hash.
func ProxyName(gateway string) string {
	if isServiceName(gateway) {
		return gateway
	}
	name := strings.ReplaceAll(gateway, ".", "-")
	if !lettered(name) {
		name = "gw-" + name
	}
	hash := shortHash(gateway)
	return strings.TrimRight(name[:min(len(name), maxLabel-len(hash)-1)], "-") + "-" + hash
}

// GatewayLabel is the value of LabelGatewayName for a Gateway: its name, or
// its ProxyName where that is too long for a label.
func GatewayLabel(gateway string) string {
	if len(gateway) <= maxLabel {
		return gateway
	}
	return ProxyName(gateway)
}

// isServiceName tells whether a DNS subdomain, which Gateway names are, is
// also a label of RFC 1035, which Service names are.
func isServiceName(name string) bool {
	return len(name) <= maxLabel && lettered(name) && !strings.Contains(name, ".")
}

// lettered tells whether name begins with a letter.
func lettered(name string) bool { return name != "" && name[0] >= 'a' && name[0] <= 'z' }
