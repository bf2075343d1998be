package translate

import (
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// reach is what the proxies send to a backend. Each way of reaching one port
// of a backend may come to a cluster of its own.
type reach uint8

const (
	// reachHTTP sends requests by the protocol that the backend names, else by
	// HTTP/1.1.
	reachHTTP reach = iota
	// reachGRPC sends requests by HTTP/2, which gRPC needs.
	reachGRPC
	// reachBytes sends what a client says inside the TLS that ended here.
	reachBytes
	// reachThrough sends the TLS of a client as it comes. It is never wrapped
	// again: no policy's TLS applies, and the proxy itself sends nothing in
	// plaintext.
	reachThrough
)

// reachOf is how the requests of a kind of routes reach backends.
func reachOf(kind string) reach {
	if kind == kindGRPCRoute {
		return reachGRPC
	}
	return reachHTTP
}

// speak settles the protocol of a cluster whose backend names appProtocol.
func (r reach) speak(cluster *ir.Cluster, appProtocol string) *problem {
	switch r {
	case reachHTTP:
		cluster.HTTP2 = speaksHTTP2(appProtocol)
	case reachGRPC:
		if speaksOnlyHTTP1(appProtocol) {
			return problemf(string(gatewayv1.RouteReasonUnsupportedProtocol), "gRPC needs HTTP/2, which appProtocol %s rules out", appProtocol)
		}
		cluster.HTTP2 = true
	case reachBytes:
	case reachThrough:
		cluster.Passthrough = true
		cluster.StatName = contract.PassthroughStatName(cluster.StatName)
	}
	return nil
}

// fits tells why the TLS that a policy asks for cannot carry what is sent to a
// cluster.
func (r reach) fits(tls *ir.UpstreamTLS, cluster *ir.Cluster) *problem {
	const reason = string(gatewayv1.RouteReasonUnsupportedProtocol)
	switch {
	case len(tls.ALPN) == 0 || slices.Contains(tls.ALPN, "h2"):
		return nil
	case r == reachGRPC:
		return problemf(reason, "gRPC needs HTTP/2, and the policy's ALPN protocols are without h2")
	case r == reachHTTP && cluster.HTTP2 && slices.Contains(tls.ALPN, "http/1.1"):
		return problemf(reason, "its appProtocol is HTTP/2, and the policy's ALPN protocols have http/1.1 without h2")
	}
	return nil
}

// speaksHTTP2 tells whether an application protocol is HTTP/2 by prior
// knowledge. All others are HTTP/1.1, websockets included.
func speaksHTTP2(appProtocol string) bool {
	switch v1alpha1.AppProtocol(appProtocol) {
	case v1alpha1.AppProtocolHTTP2, v1alpha1.AppProtocolGRPC, v1alpha1.AppProtocolGRPCWeb, v1alpha1.AppProtocolKubernetesH2:
		return true
	case v1alpha1.AppProtocolKubernetesWS:
	}
	return false
}

// speaksOnlyHTTP1 tells whether an application protocol cannot be HTTP/2:
// websockets, by KEP-3726. "http" is a name for all versions.
func speaksOnlyHTTP1(appProtocol string) bool {
	return v1alpha1.AppProtocol(appProtocol) == v1alpha1.AppProtocolKubernetesWS || appProtocol == appProtocolWSS
}
