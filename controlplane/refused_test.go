package controlplane_test

import (
	"fmt"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// filteredManifest takes namespace, name, hostnames and filters in YAML.
const filteredManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  parentRefs: [{name: http, namespace: infra}]
  hostnames: %[3]s
  rules:
  - matches: [{path: {value: /admin}}]
    filters: %[4]s
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: app}]`

// refused has routes without a valid rule beside one that serves everything:
// what they match must not go past their filters to that one.
func (b *beyond) refused(t *testing.T) {
	b.namespace(t, "refused")
	b.backed(t, "refused", "app")
	expect(t, b.port, "app.refused.example", http.StatusOK)
	admin := func(host string, code int) {
		t.Helper()
		envoytest.Eventually(t, patient, func() error {
			got, body, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/admin/x", b.port), host)
			if err == nil && got != code {
				err = fmt.Errorf("GET /admin/x of %s: %d %q, want %d", host, got, body, code)
			}
			return err
		})
	}
	admin("app.refused.example", http.StatusOK)
	const unknown = "[{type: ExtensionRef, extensionRef: {group: example.com, kind: Auth, name: x}}]"
	for _, guarded := range []struct{ hostnames, host string }{
		{"[app.refused.example]", "app.refused.example"}, {`["*.refused.example"]`, "other.refused.example"}, {"[]", "nobody.example"},
	} {
		b.apply(t, filteredManifest, "refused", "guarded", guarded.hostnames, unknown)
		admin(guarded.host, http.StatusInternalServerError)
		eventually(t, b.cluster, &gatewayv1.HTTPRoute{}, "refused", "guarded", func(o *gatewayv1.HTTPRoute) error {
			return says(ofParent(o), "Accepted", metav1.ConditionFalse, "UnsupportedValue", "ExtensionRef", "500")
		})
		expect(t, b.port, "app.refused.example", http.StatusOK)
	}
	// Without the filter it is a route as others are.
	b.apply(t, filteredManifest, "refused", "guarded", "[app.refused.example]", "[]")
	admin("app.refused.example", http.StatusOK)
}
