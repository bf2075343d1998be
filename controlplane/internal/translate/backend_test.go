package translate

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func staticOf(appProtocol string, hosts ...string) *v1alpha1.Backend {
	b := &v1alpha1.Backend{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "b"}, Spec: v1alpha1.BackendSpec{Static: &v1alpha1.StaticBackend{}}}
	if appProtocol != "" {
		protocol := v1alpha1.AppProtocol(appProtocol)
		b.Spec.Static.AppProtocol = &protocol
	}
	for _, host := range hosts {
		b.Spec.Static.Hosts = append(b.Spec.Static.Hosts, v1alpha1.Host{Host: host, Port: 443})
	}
	return b
}

func (o Options) translation(t *testing.T) *translation {
	t.Helper()
	return newTranslation(newSnapshot(t, nil), o)
}

// TestBackendProtocols: every appProtocol, by each way to reach a Backend.
func TestBackendProtocols(t *testing.T) {
	t.Parallel()
	for protocol, want := range map[string]struct{ known, http2, noGRPC bool }{
		"": {known: true}, "http2": {known: true, http2: true}, "grpc": {known: true, http2: true}, "grpc-web": {known: true, http2: true},
		"kubernetes.io/h2c": {known: true, http2: true}, "kubernetes.io/ws": {known: true, noGRPC: true},
		"https": {}, "HTTP2": {}, "kubernetes.io/wss": {},
	} {
		o := testOptions()
		b := o.translation(t).staticBackend(staticOf(protocol, "192.0.2.1"), reachHTTP)
		if (b.problem == nil) != want.known {
			t.Errorf("%q: problem %v", protocol, b.problem)
		}
		if b.problem != nil {
			if !strings.Contains(b.problem.message, "spec.static.appProtocol") {
				t.Errorf("%q: %s", protocol, b.problem.message)
			}
			continue
		}
		if b.cluster.HTTP2 != want.http2 {
			t.Errorf("%q: HTTP/2 is %v", protocol, b.cluster.HTTP2)
		}
		grpc := o.translation(t).staticBackend(staticOf(protocol, "192.0.2.1"), reachGRPC)
		if (grpc.problem != nil) != want.noGRPC || grpc.problem == nil && !grpc.cluster.HTTP2 {
			t.Errorf("%q by gRPC: %+v", protocol, grpc)
		}
	}
}

// TestBackendHosts: one name makes the whole cluster resolve names, addresses
// included; and one host that leads back into the proxy refuses it all.
func TestBackendHosts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hosts     []string
		discovery ir.Discovery
		refused   string
	}{
		{hosts: []string{"192.0.2.2", "192.0.2.1", "2001:db8::1", "[2001:db8::2]"}, discovery: ir.DiscoverStatic},
		{hosts: []string{"a.example"}, discovery: ir.DiscoverDNS},
		{hosts: []string{"192.0.2.1", "a.example", "2001:db8::1"}, discovery: ir.DiscoverDNS},
		{hosts: nil, refused: "at least one host"},
		{hosts: []string{""}, refused: "hosts[0]"},
		{hosts: []string{"192.0.2.1", "127.0.0.1"}, refused: "hosts[1]"},
		{hosts: []string{"::1"}, refused: "loopback"},
		{hosts: []string{"::ffff:127.0.0.1"}, refused: "loopback"},
		{hosts: []string{"0.0.0.0"}, refused: "unspecified"},
		{hosts: []string{"::"}, refused: "unspecified"},
		{hosts: []string{"169.254.169.254"}, refused: "link-local"},
		{hosts: []string{"fe80::1"}, refused: "link-local"},
		{hosts: []string{"fe80::1%eth0"}, refused: "zone"},
		{hosts: []string{"224.0.0.1"}, refused: "multicast"},
		{hosts: []string{"localhost"}, refused: "local host"},
		{hosts: []string{"LocalHost."}, refused: "local host"},
		{hosts: []string{"a.localhost"}, refused: "local host"},
		{hosts: []string{"ip6-loopback"}, refused: "local host"},
		{hosts: []string{"127.1"}, refused: "ends in a number"},
		{hosts: []string{"0x7f000001"}, refused: "ends in a number"},
		{hosts: []string{"2130706433"}, refused: "ends in a number"},
		{hosts: []string{"a b"}, refused: "neither"},
		{hosts: []string{"*.example"}, refused: "neither"},
		{hosts: []string{"a_b/c"}, refused: "neither"},
	} {
		cluster, problem := testOptions().translation(t).staticCluster(staticOf("", test.hosts...))
		if test.refused == "" {
			if problem != nil || cluster.Discovery != test.discovery || len(cluster.Endpoints) != len(test.hosts) {
				t.Errorf("%v: %+v, %v", test.hosts, cluster, problem)
			}
			continue
		}
		if problem == nil || !strings.Contains(problem.message, test.refused) {
			t.Errorf("%v: problem %v, want %q", test.hosts, problem, test.refused)
		}
	}
}
