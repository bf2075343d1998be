package xds

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// identify tells which Gateway a proxy is of: the one that its node id names,
// if its certificate names the same.
func identify(ctx context.Context, node *corev3.Node) (ir.Name, error) {
	namespace, name, ok := strings.Cut(node.GetId(), "/")
	if !ok || namespace == "" || name == "" {
		return ir.Name{}, status.Errorf(codes.PermissionDenied, "node id %q is not NAMESPACE/GATEWAY", node.GetId())
	}
	if !slices.Contains(peerURIs(ctx), contract.NodeURI(namespace, name)) {
		return ir.Name{}, status.Errorf(codes.PermissionDenied,
			"the client certificate does not allow to read the configuration of node %q", node.GetId())
	}
	return ir.Name{Namespace: namespace, Name: name}, nil
}

func peerURIs(ctx context.Context) []string {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := client.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return uris(info.State.VerifiedChains[0][0])
}

func uris(certificate *x509.Certificate) []string {
	var out []string
	for _, uri := range certificate.URIs {
		out = append(out, uri.String())
	}
	return out
}
