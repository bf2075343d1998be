package controlplane_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	callsManifest = `
apiVersion: v1
kind: Secret
metadata: {name: edge, namespace: calls}
type: kubernetes.io/tls
data: {tls.crt: %[3]s, tls.key: %[4]s}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: calls, namespace: calls}
spec:
  gatewayClassName: tlsgw
  listeners:
  - {name: http, protocol: HTTP, port: %[1]d}
  - {name: https, protocol: HTTPS, port: %[2]d, tls: {certificateRefs: [{name: edge}]}}`

	callRouteManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: %[1]s
metadata: {name: %[2]s, namespace: calls}
spec:
  parentRefs: [{name: calls}]
  hostnames: [%[3]s]
  rules: %[4]s`
)

// calls is a Gateway with an HTTP and an HTTPS listener.
type calls struct {
	*cluster
	http, https uint16
	edge, inner *envoytest.CA
}

// TestGRPCRoutes sends gRPC calls through a real Envoy.
func TestGRPCRoutes(t *testing.T) {
	c := &calls{
		cluster: startCluster(t), http: envoytest.FreePort(t), https: envoytest.FreePort(t),
		edge: envoytest.NewCA(t, "edge"), inner: envoytest.NewCA(t, "inner"),
	}
	c.run(t)
	c.apply(t, namespaceManifest+"\n---\n"+caManifest, "calls", string(c.inner.PEM))
	pair := c.edge.Issue(t, []string{"plain.example"}, nil)
	encoded := base64.StdEncoding.EncodeToString
	c.apply(t, callsManifest, c.http, c.https, encoded(pair.Certificate), encoded(pair.Key))
	inner := c.inner.Issue(t, []string{"example.com"}, nil).TLS(t)
	c.apply(t, backendManifest, "calls", "plain", serveCalls(t, "plain", insecure.NewCredentials()))
	c.apply(t, backendManifest, "calls", "other", serveCalls(t, "other", insecure.NewCredentials()))
	c.apply(t, backendManifest, "calls", "tls", serveCalls(t, "tls", credentials.NewServerTLSFromCert(&inner)))
	c.apply(t, policyManifest, "calls", "tls")
	c.envoy(t, "calls", "calls")
	t.Run("methods and headers", c.matches)
	t.Run("a backend with TLS", c.encrypted)
	t.Run("backends that are not there", c.missing)
	t.Run("HTTPRoutes and GRPCRoutes", c.rivals)
}

// serveCalls answers health checks on the port that it gives, and says who it
// is and whether it is spoken to over TLS.
func serveCalls(t *testing.T, name string, security credentials.TransportCredentials) uint16 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	identify := func(ctx context.Context) error {
		client, _ := peer.FromContext(ctx)
		_, isTLS := client.AuthInfo.(credentials.TLSInfo)
		return grpc.SetHeader(ctx, metadata.Pairs("backend", fmt.Sprintf("%s %t", name, isTLS)))
	}
	server := grpc.NewServer(grpc.Creds(security),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := identify(ctx); err != nil {
				return nil, err
			}
			return next(ctx, request)
		}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if err := identify(stream.Context()); err != nil {
				return err
			}
			return status.Error(codes.Unimplemented, "there is no such method")
		}))
	healthv1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// call is a gRPC call through the Gateway.
type call struct {
	host     string
	https    bool
	method   string
	metadata []string
}

// send gives who has answered, and the code of the answer.
func (c *calls) send(t *testing.T, what call) (string, codes.Code) {
	t.Helper()
	security, port := insecure.NewCredentials(), c.http
	if what.https {
		security = credentials.NewTLS(&tls.Config{RootCAs: c.edge.Pool(), ServerName: what.host, MinVersion: tls.VersionTLS12})
		port = c.https
	}
	connection, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port), grpc.WithTransportCredentials(security), grpc.WithAuthority(what.host))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), what.metadata...), 5*time.Second)
	defer cancel()
	method := what.method
	if method == "" {
		method = healthv1.Health_Check_FullMethodName
	}
	var header metadata.MD
	err = connection.Invoke(ctx, method, &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}, grpc.Header(&header))
	return strings.Join(header.Get("backend"), ","), status.Code(err)
}

// expect waits for an answer.
func (c *calls) expect(t *testing.T, what call, backend string, code codes.Code) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if gotBackend, gotCode := c.send(t, what); gotBackend != backend || gotCode != code {
			return fmt.Errorf("%+v: %q %s, want %q %s", what, gotBackend, gotCode, backend, code)
		}
		return nil
	})
}

const backendRef = "backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %s}]"

// rule sends what a match, which may be empty, matches to a backend.
func rule(match, backend string) string {
	if match != "" {
		match = "matches: [" + match + "], "
	}
	return "{" + match + fmt.Sprintf(backendRef, backend) + "}"
}

func (c *calls) matches(t *testing.T) {
	c.apply(t, callRouteManifest, "GRPCRoute", "plain", "plain.example", "["+strings.Join([]string{
		rule("{method: {service: grpc.health.v1.Health, method: Check}}", "plain"),
		rule("{headers: [{name: version, value: two}]}", "other"),
		rule("{method: {type: RegularExpression, service: 'own[.].*'}}", "other"),
	}, ", ")+"]")
	c.expect(t, call{host: "plain.example"}, "plain false", codes.OK)
	c.expect(t, call{host: "plain.example", https: true}, "plain false", codes.OK)
	// The service decides before the header.
	c.expect(t, call{host: "plain.example", metadata: []string{"version", "two"}}, "plain false", codes.OK)
	// The backends do not know these methods, to which the proxy gives the same
	// code where no rule matches.
	c.expect(t, call{host: "plain.example", method: "/own.Service/Check"}, "other false", codes.Unimplemented)
	c.expect(t, call{host: "plain.example", method: "/grpc.health.v1.Health/Other", metadata: []string{"version", "two"}}, "other false", codes.Unimplemented)
	c.expect(t, call{host: "plain.example", method: "/grpc.health.v1.Health/Other"}, "", codes.Unimplemented)
	c.expect(t, call{host: "plain.example", method: "/other.Service/Check"}, "", codes.Unimplemented)
	c.expect(t, call{host: "unknown.example"}, "", codes.Unimplemented)
}

func (c *calls) encrypted(t *testing.T) {
	c.apply(t, callRouteManifest, "GRPCRoute", "tls", "tls.example", "["+rule("", "tls")+"]")
	c.expect(t, call{host: "tls.example"}, "tls true", codes.OK)
}

func (c *calls) missing(t *testing.T) {
	c.apply(t, callRouteManifest, "GRPCRoute", "missing", "missing.example", "["+rule("", "missing")+"]")
	c.expect(t, call{host: "missing.example"}, "", codes.Unavailable)
	c.apply(t, callRouteManifest, "GRPCRoute", "nothing", "nothing.example", "[{matches: [{method: {service: grpc.health.v1.Health}}]}]")
	c.expect(t, call{host: "nothing.example"}, "", codes.Unavailable)
	eventually(t, c.cluster, &gatewayv1.GRPCRoute{}, "calls", "missing", func(o *gatewayv1.GRPCRoute) error {
		return says(ofRoute(o.Status.RouteStatus), "ResolvedRefs", metav1.ConditionFalse, "BackendNotFound")
	})
}

// rivals: the backend is reached by HTTP/1.1 from an HTTPRoute, and by HTTP/2
// from a GRPCRoute; a hostname is served for one of them only.
func (c *calls) rivals(t *testing.T) {
	b := envoytest.StartBackend(t, "http", c.inner.Issue(t, []string{"example.com"}, nil))
	c.apply(t, backendManifest, "calls", "http", b.Port)
	c.apply(t, callRouteManifest, "HTTPRoute", "http", "http.example", "["+fmt.Sprintf("{"+backendRef+"}", "http")+"]")
	expect(t, c.http, "http.example", http.StatusOK)
	c.apply(t, callRouteManifest, "GRPCRoute", "late", "'*.example'", "["+rule("", "plain")+"]")
	eventually(t, c.cluster, &gatewayv1.GRPCRoute{}, "calls", "late", func(o *gatewayv1.GRPCRoute) error {
		return says(ofRoute(o.Status.RouteStatus), "Accepted", metav1.ConditionFalse, "HostnameConflict", "calls/http")
	})
	expect(t, c.http, "http.example", http.StatusOK)
	c.expect(t, call{host: "late.example"}, "", codes.Unimplemented)
	if err := c.Delete(t.Context(), &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "calls", Name: "http"}}); err != nil {
		t.Fatal(err)
	}
	c.expect(t, call{host: "late.example"}, "plain false", codes.OK)
	eventually(t, c.cluster, &gatewayv1.GRPCRoute{}, "calls", "late", func(o *gatewayv1.GRPCRoute) error {
		return errors.Join(isTrue(o.Generation, ofRoute(o.Status.RouteStatus), "Accepted", "ResolvedRefs"))
	})
}
