package originate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// TestLeadingRoute: without --expose a route that is there already is seen.
func TestLeadingRoute(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	gateway(t, clients, "http")
	verb := invocation{clients: clients}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", "--expose", "*.example.com", "--path-prefix", "/a", "--gateway", "http", noWait), 0)
	target, err := scaffold.ParseTarget("svc/nginx")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{clients: clients, spec: scaffold.Spec{Target: target, Namespace: clients.Namespace}, backend: &backend{port: 8443}}
	want := &scaffold.Route{Hostname: "*.example.com", PathPrefix: "/a", ServicePort: 8443, GatewayNamespace: clients.Namespace, GatewayName: "http"}
	if diff := cmp.Diff(want, r.leadingRoute(t.Context()).route); diff != "" {
		t.Errorf("the route that originate made (-want +got):\n%s", diff)
	}
	r.spec.Originate = "somebody"
	if got := r.leadingRoute(t.Context()).String(); got != "httproute/nginx-route leads to it." {
		t.Errorf("somebody else's route: %s", got)
	}
	r.backend.port = 9443
	if got := r.leadingRoute(t.Context()).String(); !strings.Contains(got, "--expose HOSTNAME makes one") {
		t.Errorf("a route to another port: %s", got)
	}
}
