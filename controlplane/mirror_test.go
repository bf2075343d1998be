package controlplane_test

import (
	"fmt"
	"net/http"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const mirroringManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  parentRefs: [{name: http, namespace: infra}]
  hostnames: [%[2]s.%[1]s.example]
  rules:
  - filters:
    - type: RequestMirror
      requestMirror: {backendRef: {group: gateway.kgateway.dev, kind: Backend, name: %[3]s}}
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: origin}]`

// TestMirrorsAreNeverInPlaintext: a policy decides about the backend of a
// mirror as about any other, though it is seen after the route; and a mirror
// that does not resolve costs no request.
func TestMirrorsAreNeverInPlaintext(t *testing.T) {
	c := startCluster(t)
	c.controller.Wrap(late("backendtlspolicies"))
	ca := envoytest.NewCA(t, "backends")
	pair := ca.Issue(t, []string{"example.com"}, nil)
	origin, copied := envoytest.StartBackend(t, "origin", pair), envoytest.StartBackend(t, "copied", pair)
	c.run(t)
	port := envoytest.FreePort(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", port)
	c.apply(t, namespaceManifest+"\n---\n"+caManifest, "mirrors", string(ca.PEM))
	c.apply(t, backendManifest, "mirrors", "origin", origin.Port)
	c.envoy(t, "infra", "http")

	const rounds = 5
	for i := range rounds {
		name := fmt.Sprint("copied-", i)
		c.apply(t, backendManifest, "mirrors", name, copied.Port)
		c.apply(t, policyManifest, "mirrors", name)
		c.apply(t, mirroringManifest, "mirrors", name, name)
		expect(t, port, name+".mirrors.example", http.StatusOK)
	}
	envoytest.Eventually(t, patient, func() error {
		if encrypted, plain := copied.Counts(); encrypted < rounds || plain > 0 {
			return fmt.Errorf("copies: %d by TLS, %d in plaintext", encrypted, plain)
		}
		return nil
	})

	c.apply(t, mirroringManifest, "mirrors", "nowhere", "missing")
	expect(t, port, "nowhere.mirrors.example", http.StatusOK)
	eventually(t, c, &gatewayv1.HTTPRoute{}, "mirrors", "nowhere", func(o *gatewayv1.HTTPRoute) error {
		resolved := apimeta.FindStatusCondition(ofParent(o), string(gatewayv1.RouteConditionResolvedRefs))
		if resolved == nil || resolved.Status != "False" || resolved.Reason != string(gatewayv1.RouteReasonBackendNotFound) {
			return fmt.Errorf("ResolvedRefs is %+v", resolved)
		}
		return isTrue(o.Generation, ofParent(o), "Accepted")
	})
}
