package originate

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// twoPorts makes svc/nginx with the ports https and grpc, whose CA is in
// configmap/ca.
func twoPorts(t *testing.T, clients *kube.Clients) {
	t.Helper()
	good(t, clients)
	service, slice := &corev1.Service{}, &discoveryv1.EndpointSlice{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx"), service); err != nil {
		t.Fatal(err)
	}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx"), slice); err != nil {
		t.Fatal(err)
	}
	name := "grpc"
	service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: 9443})
	slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: slice.Ports[0].Port})
	if err := clients.Client.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	if err := clients.Client.Update(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
}

// TestOtherPortsKeepTheirPolicy: a policy of one port never takes away what
// speaks for another.
func TestOtherPortsKeepTheirPolicy(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	twoPorts(t, clients)
	verb := invocation{clients: clients}
	https := []string{"--port", "https", "--sni", "example.com", noWait}
	grpc := []string{"--port", "grpc", "--sni", "example.com", "--curve", "X25519", noWait}
	expect(t, verb.originate(t, "svc/nginx", https...), 0, "nginx-https-tls-policy created")

	refused := verb.originate(t, "svc/nginx", grpc...)
	expect(t, refused, 1, "BackendTLSPolicy/nginx-https-tls-policy says how TLS is spoken to port https of svc/nginx",
		"win for port https", "--force    # keeps both", "nothing was changed")
	expectMade(t, clients, "backendtlspolicy/nginx-https-tls-policy")
	forced := verb.originate(t, "svc/nginx", append(grpc, "--force")...)
	expect(t, forced, 0, "forced: BackendTLSPolicy/nginx-https-tls-policy", "nginx-grpc-tls-policy created")
	if strings.Contains(forced.text(), "deleted") {
		t.Errorf("something was deleted:\n%s", forced.text())
	}
	all := []string{"backendtlspolicy/nginx-https-tls-policy", "backendconfigpolicy/nginx-grpc-tls-policy", "secret/nginx-grpc-ca"}
	expectMade(t, clients, all...)

	// The same the other way round: that one speaks for every port.
	expect(t, verb.originate(t, "svc/nginx", https...), 1, "BackendConfigPolicy/nginx-grpc-tls-policy says how TLS is spoken to every port of svc/nginx",
		"only of port https", "--force    # keeps both")
	expect(t, verb.originate(t, "svc/nginx", append(https, "--force")...), 0, "nginx-https-tls-policy unchanged")
	expectMade(t, clients, all...)
}

// TestEveryPortHasOneConfigPolicy: two of them would contradict each other on
// every port, and which one goes is not for originate to say.
func TestEveryPortHasOneConfigPolicy(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	twoPorts(t, clients)
	verb := invocation{clients: clients}
	args := func(port string) []string {
		return []string{"--port", port, "--sni", "example.com", "--curve", "X25519", noWait}
	}
	expect(t, verb.originate(t, "svc/nginx", args("https")...), 0, "nginx-https-tls-policy created")
	expect(t, verb.originate(t, "svc/nginx", args("grpc")...), 1, "BackendConfigPolicy/nginx-https-tls-policy already says how TLS is spoken to every port",
		"the older one wins", "--force    # replaces it")
	expectMade(t, clients, "backendconfigpolicy/nginx-https-tls-policy", "secret/nginx-https-ca")
	expect(t, verb.originate(t, "svc/nginx", append(args("grpc"), "--force", "--dry-run=server")...), 0,
		"backendconfigpolicy.gateway.kgateway.dev/nginx-https-tls-policy deleted (replaced by BackendConfigPolicy; server dry run)")
	expect(t, verb.originate(t, "svc/nginx", append(args("grpc"), "--force")...), 0,
		"backendconfigpolicy.gateway.kgateway.dev/nginx-https-tls-policy deleted (replaced by BackendConfigPolicy)")
	expectMade(t, clients, "backendconfigpolicy/nginx-grpc-tls-policy", "secret/nginx-grpc-ca", "secret/nginx-https-ca")
}

// TestTwoPortsOfAHost stand side by side.
func TestTwoPortsOfAHost(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := authority(t, "Public CA")
	served := tlsConfig(leaf(t, ca, "api.localhost"))
	gateway(t, clients, "http")
	public := &bundle.Bundle{}
	public.Certificates = append(public.Certificates, ca.Certificate())
	verb := invocation{clients: clients, system: public.Pool()}
	want := map[string]int32{}
	var objects []string
	for _, port := range []int32{serveTLS(t, served), serveTLS(t, served)} {
		name := "api-localhost-" + itoa(port)
		want[name] = port
		objects = append(objects, "backend/"+name, "backendtlspolicy/"+name, "httproute/"+name)
		expect(t, verb.originate(t, "host/api.localhost:"+itoa(port), "--expose", "a"+itoa(port)+".example", "--gateway", "http", noWait), 0,
			"backend.gateway.kgateway.dev/"+name+" created", "httproute.gateway.networking.k8s.io/"+name+" created")
	}
	expectMade(t, clients, objects...)
	for name, port := range want {
		backend, route := &v1alpha1.Backend{}, &gatewayv1.HTTPRoute{}
		if err := clients.Client.Get(t.Context(), keyOf(clients, name), backend); err != nil || backend.Spec.Static.Hosts[0].Port != port {
			t.Errorf("backend %s: %+v, %v; want port %d", name, backend.Spec, err, port)
		}
		if err := clients.Client.Get(t.Context(), keyOf(clients, name), route); err != nil || route.Spec.Hostnames[0] != gatewayv1.Hostname("a"+itoa(port)+".example") ||
			string(route.Spec.Rules[0].BackendRefs[0].Name) != name {
			t.Errorf("route %s: %+v, %v", name, route.Spec, err)
		}
	}
}
