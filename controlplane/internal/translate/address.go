package translate

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// A Gateway asks for addresses, and its Service gets them, of a kind that a
// cluster gives to nobody else: its cluster IPs, or what a load balancer may
// assign. externalIPs would do for any address, and so take the traffic of
// whoever has it.

// checkAddresses refuses addresses of types that no Service can have. Without a
// value, any address will do.
func (t *translation) checkAddresses(object *gatewayv1.Gateway) *problem {
	unsupported := string(gatewayv1.GatewayReasonUnsupportedAddress)
	for i, address := range object.Spec.Addresses {
		switch kind := deref(address.Type, gatewayv1.IPAddressType); {
		case kind != gatewayv1.IPAddressType:
			return problemf(unsupported, "spec.addresses[%d]: type %s is not supported: use %s", i, kind, gatewayv1.IPAddressType)
		case address.Value != "" && !t.options.Deploy:
			return problemf(unsupported, "spec.addresses[%d]: this controller deploys no proxies whose address could be chosen", i)
		}
	}
	return nil
}

// requestedAddresses are those that a Gateway asks for.
func requestedAddresses(object *gatewayv1.Gateway) []string {
	var requested []string
	for _, address := range object.Spec.Addresses {
		if deref(address.Type, gatewayv1.IPAddressType) == gatewayv1.IPAddressType && address.Value != "" {
			requested = append(requested, address.Value)
		}
	}
	return requested
}

// unusable tells why a Service with these parameters cannot have the addresses;
// it is empty where it may.
func unusable(requested []string, merged *v1alpha1.KubernetesProxy) string {
	kind := corev1.ServiceTypeLoadBalancer
	if merged != nil && merged.Service != nil {
		kind = deref(merged.Service.Type, kind)
	}
	if kind == corev1.ServiceTypeLoadBalancer && len(requested) > 1 {
		return fmt.Sprintf("spec.addresses asks for %d addresses, and a Service of type %s can ask for one", len(requested), kind)
	}
	families := map[bool]string{}
	for _, text := range requested {
		address, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return fmt.Sprintf("spec.addresses: %q is not an IP address", text)
		case !address.IsGlobalUnicast() || address.Zone() != "":
			return fmt.Sprintf("spec.addresses: %s is no address of a Service", text)
		case families[address.Is4()] != "":
			return fmt.Sprintf("spec.addresses asks for %s and %s, and a Service of type %s has one address of each IP family",
				families[address.Is4()], text, kind)
		}
		families[address.Is4()] = text
	}
	return ""
}
