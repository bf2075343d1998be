package controlplane_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// occupied has a Gateway with two listeners, of which Envoy cannot have one:
// another process has the port. The other is as it was.
func (b *beyond) occupied(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	b.namespace(t, "occupied")
	port := envoytest.FreePort(t)
	b.apply(t, gatewayManifest+`
  - {name: taken, protocol: HTTP, port: %[3]d, allowedRoutes: {namespaces: {from: All}}}`, "occupied", port, taken.Addr().(*net.TCPAddr).Port)
	b.backed(t, "occupied", "app")
	b.apply(t, routeManifest, "occupied", "app", "occupied")
	b.cluster.envoy(t, "occupied", "http")
	expect(t, port, "app.occupied.example", http.StatusOK)
	eventually(t, b.cluster, &gatewayv1.Gateway{}, "occupied", "http", func(o *gatewayv1.Gateway) error {
		if len(o.Status.Listeners) != 2 {
			return fmt.Errorf("listeners: %+v", o.Status.Listeners)
		}
		for i := range o.Status.Listeners {
			l := &o.Status.Listeners[i]
			err := isTrue(o.Generation, l.Conditions, "Programmed")
			if l.Name == "taken" {
				err = says(l.Conditions, "Programmed", metav1.ConditionFalse, "Invalid", "Envoy rejected: ", "bind")
			}
			if err != nil {
				return fmt.Errorf("listener %s: %w", l.Name, err)
			}
		}
		return says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "Invalid", "bind")
	})
}
