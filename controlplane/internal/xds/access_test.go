package xds_test

import (
	"context"
	"crypto/tls"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(gateway{port: 8080}.ir())
	stranger := envoytest.NewCA(t, "stranger")
	own := contract.NodeURI("infra", "http")
	for name, test := range map[string]struct {
		ca   *envoytest.CA
		uri  string
		node string
		code codes.Code
	}{
		"own node":                   {w.ca, own, "infra/http", codes.OK},
		"another node":               {w.ca, own, "infra/other", codes.PermissionDenied},
		"another certificate":        {w.ca, contract.NodeURI("infra", "other"), "infra/http", codes.PermissionDenied},
		"certificate without a node": {w.ca, "spiffe://tlsgw.dev/", "infra/http", codes.PermissionDenied},
		"node without a namespace":   {w.ca, own, "/http", codes.PermissionDenied},
		"no node":                    {w.ca, own, "", codes.PermissionDenied},
		"unknown Gateway":            {w.ca, contract.NodeURI("a", "b"), "a/b", codes.Unavailable},
		"certificate of another CA":  {stranger, own, "infra/http", codes.Unavailable},
		"no certificate":             {nil, "", "infra/http", codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, sotw := range []bool{false, true} {
				err := w.ask(t, test.ca, test.uri, test.node, sotw)
				if code := status.Code(err); code != test.code {
					t.Errorf("code %s (%v), want %s", code, err, test.code)
				}
			}
		})
	}
}

func TestNodeCannotChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(gateway{port: 8080}.ir())
	stream := w.delta(t, w.ca, contract.NodeURI("infra", "http"))
	for _, node := range []string{"infra/http", "infra/other"} {
		_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{
			Node: &corev3.Node{Id: node}, TypeUrl: resource.ClusterType,
		})
	}
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	if code := status.Code(err); code != codes.PermissionDenied {
		t.Errorf("code %s: %v", code, err)
	}
}

// ask gives the error of the first answer.
func (w *world) ask(t *testing.T, ca *envoytest.CA, uri, node string, sotw bool) error {
	t.Helper()
	client := w.connect(t, ca, uri)
	if sotw {
		stream, err := client.StreamAggregatedResources(t.Context())
		if err != nil {
			return err
		}
		_ = stream.Send(&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: node}, TypeUrl: resource.ClusterType})
		_, err = stream.Recv()
		return err
	}
	stream, err := client.DeltaAggregatedResources(t.Context())
	if err != nil {
		return err
	}
	_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: node}, TypeUrl: resource.ClusterType})
	_, err = stream.Recv()
	return err
}

func (w *world) delta(
	tb testing.TB, ca *envoytest.CA, uri string,
) discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient {
	tb.Helper()
	var stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	client := w.connect(tb, ca, uri)
	ctx, cancel := context.WithCancel(tb.Context())
	tb.Cleanup(cancel)
	stream, err := client.DeltaAggregatedResources(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return stream
}

// connect dials with a certificate of the CA; nil: without one.
func (w *world) connect(tb testing.TB, ca *envoytest.CA, uri string) discoveryv3.AggregatedDiscoveryServiceClient {
	tb.Helper()
	config := &tls.Config{RootCAs: w.ca.Pool(), ServerName: contract.XDSServerName, MinVersion: tls.VersionTLS13}
	if ca != nil {
		config.Certificates = []tls.Certificate{ca.Issue(tb, nil, []string{uri}).TLS(tb)}
	}
	conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return discoveryv3.NewAggregatedDiscoveryServiceClient(conn)
}
