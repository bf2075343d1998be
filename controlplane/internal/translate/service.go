package translate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// backendKey identifies a backend; port is zero for a Backend.
type backendKey struct {
	ref   ir.Ref
	port  int32
	reach reach
}

// servicePort translates one port of a Service, once for each way to reach it.
func (t *translation) servicePort(service *corev1.Service, number int32, how reach) *backend {
	key := backendKey{ref: serviceRef(nameOf(service)), port: number, reach: how}
	if known, ok := t.backends[key]; ok {
		return known
	}
	b := &backend{target: key.ref, reach: how}
	t.backends[key] = b
	port, problem := findServicePort(service, number)
	if problem != nil {
		b.problem, b.isNowhere = problem, true
		return b
	}
	b.portName, b.appProtocol = port.Name, deref(port.AppProtocol, "")
	cluster := &ir.Cluster{StatName: contract.ServiceStatName(service.Namespace, service.Name, number)}
	cluster.Discovery, cluster.Endpoints = serviceEndpoints(
		t.objects.endpointSlices[key.ref.Name], port, t.options.AllowLoopback)
	if p := how.speak(cluster, b.appProtocol); p != nil {
		b.problem = problemf(p.reason, "%s: port %d: %s", describe(b.target), number, p.message)
		return b
	}
	t.secure(b, cluster)
	if b.cluster != nil && b.cluster.Plaintext() && asksForTLS(b.appProtocol) {
		b.cluster = nil
		b.problem = problemf(string(gatewayv1.RouteReasonUnsupportedProtocol),
			"%s: port %d has appProtocol %s, but no policy says how its TLS is verified: use a %s",
			describe(b.target), number, b.appProtocol, kindBackendTLSPolicy)
	}
	return b
}

// appProtocolWSS is websockets over TLS, by KEP-3726.
const appProtocolWSS = "kubernetes.io/wss"

// asksForTLS tells whether an application protocol is one over TLS, by its
// name at IANA or of KEP-3726. Such a port is never reached in plaintext.
func asksForTLS(appProtocol string) bool {
	return strings.EqualFold(appProtocol, "https") || appProtocol == appProtocolWSS
}

// findServicePort finds a TCP port by its number.
func findServicePort(service *corev1.Service, number int32) (*corev1.ServicePort, *problem) {
	where := describe(serviceRef(nameOf(service)))
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		// A Service's owner could make the proxy reach any host inside or
		// outside: CVE-2021-25740, and the advice of Gateway API.
		return nil, problemf(string(gatewayv1.RouteReasonInvalidKind),
			"%s is of type ExternalName, which is not served: use a %s of group %s", where, kindBackend, groupKgateway)
	}
	otherProtocol := corev1.Protocol("")
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		switch {
		case port.Port != number:
		case isTCP(port):
			return port, nil
		default:
			otherProtocol = port.Protocol
		}
	}
	if otherProtocol != "" {
		return nil, problemf(string(gatewayv1.RouteReasonUnsupportedProtocol), "%s: port %d is a %s port", where, number, otherProtocol)
	}
	return nil, problemf(string(gatewayv1.RouteReasonBackendNotFound), "%s has no port %d, only %s", where, number, portList(service))
}

func isTCP(port *corev1.ServicePort) bool {
	return port.Protocol == "" || port.Protocol == corev1.ProtocolTCP
}

// portList names the ports of a Service for a message.
func portList(service *corev1.Service) string {
	var ports []string
	for _, port := range service.Spec.Ports {
		text := fmt.Sprint(port.Port)
		if port.Name != "" {
			text = fmt.Sprintf("%s (%d)", port.Name, port.Port)
		}
		ports = append(ports, text)
	}
	if len(ports) == 0 {
		return "none"
	}
	return strings.Join(ports, ", ")
}
