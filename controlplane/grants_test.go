package controlplane_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	// grantManifest takes the namespace of the referent, the kind and
	// namespace of the one that refers, and the referent.
	grantManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: grant, namespace: %[1]s}
spec:
  from: [{group: gateway.networking.k8s.io, kind: %[2]s, namespace: %[3]s}]
  to: [%[4]s]`

	// grantGatewayManifest takes the name, the TLS of the Gateway and the
	// listener in YAML.
	grantGatewayManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: %[1]s, namespace: grants}
spec:
  gatewayClassName: tlsgw
  tls: %[2]s
  listeners: [%[3]s]`

	// grantRouteManifest takes the kind, the name and the rules.
	grantRouteManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: %[1]s
metadata: {name: %[2]s, namespace: grants}
spec:
  parentRefs: [%[3]s]
  hostnames: [%[2]s.example]
  rules: [%[4]s]`
)

// crossing is a reference into another namespace, which is called like it.
type crossing struct {
	name string
	// kind is that of the object, called like the crossing, that refers.
	kind string
	// to is the referent.
	to string
	// manifests make the object that refers.
	manifests string
	// gateway is the one whose proxy gets what is granted, in namespace grants.
	// Empty: infra/http.
	gateway string
	// port is that of the listener which has what is granted. When it has it no
	// more, Envoy takes no connection there, but lets those that it has end,
	// for minutes, and keeps for these what is theirs. Zero: it is a cluster's.
	port uint16
}

// crossings are all references that a ReferenceGrant can permit.
func crossings(t *testing.T) []crossing {
	t.Helper()
	port, listener, frontend := func() uint16 { return envoytest.FreePort(t) }, envoytest.FreePort(t), envoytest.FreePort(t)
	const (
		secret  = `{group: "", kind: Secret, name: pair}`
		service = `{group: "", kind: Service, name: app}`
		backend = `{group: gateway.kgateway.dev, kind: Backend, name: app}`
		shared  = "{name: http, namespace: infra}"
	)
	gateway := func(name, tls, listener string, arguments ...any) string {
		return fmt.Sprintf(grantGatewayManifest, name, tls, fmt.Sprintf(listener, arguments...))
	}
	route := func(kind, name, parent, rule string) string {
		return fmt.Sprintf(grantRouteManifest, kind, name, parent, rule)
	}
	return []crossing{
		{
			name: "listener", kind: "Gateway", to: secret, gateway: "listener", port: listener,
			manifests: gateway("listener", "{}", "{name: https, protocol: HTTPS, port: %d, tls: {certificateRefs: [{name: pair, namespace: listener}]}}", listener),
		},
		{
			name: "client", kind: "Gateway", to: secret, gateway: "client",
			manifests: gateway("client", "{backend: {clientCertificateRef: {name: pair, namespace: client}}}", "{name: http, protocol: HTTP, port: %d}", port()) +
				"\n---\n" + route("HTTPRoute", "presents", "{name: client}", "{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: own}]}"),
		},
		{
			name: "frontend", kind: "Gateway", to: secret, gateway: "frontend", port: frontend,
			manifests: gateway("frontend", `{frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: Secret, name: pair, namespace: frontend}]}}}}`,
				"{name: https, protocol: HTTPS, port: %d, tls: {certificateRefs: [{name: own}]}}", frontend),
		},
		{
			name: "http-service", kind: "HTTPRoute", to: service,
			manifests: route("HTTPRoute", "http-service", shared, "{backendRefs: [{name: app, namespace: http-service, port: 8443}]}"),
		},
		{
			name: "http-backend", kind: "HTTPRoute", to: backend,
			manifests: route("HTTPRoute", "http-backend", shared, "{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: app, namespace: http-backend}]}"),
		},
		{
			name: "mirror", kind: "HTTPRoute", to: service,
			manifests: route("HTTPRoute", "mirror", shared, "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: app, namespace: mirror, port: 8443}}}], "+
				"backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: own}]}"),
		},
		{
			name: "grpc", kind: "GRPCRoute", to: service,
			manifests: route("GRPCRoute", "grpc", shared, "{backendRefs: [{name: app, namespace: grpc, port: 8443}]}"),
		},
		{
			name: "tls", kind: "TLSRoute", to: service, gateway: "tls",
			manifests: gateway("tls", "{}", "{name: tls, protocol: TLS, port: %d, tls: {mode: Terminate, certificateRefs: [{name: own}]}}", port()) +
				"\n---\n" + route("TLSRoute", "tls", "{name: tls}", "{backendRefs: [{name: app, namespace: tls, port: 8443}]}"),
		},
	}
}

// grants has references into other namespaces, without a grant, with one that
// does not fit, with one, and without it again. What is referred to, or how it
// is reached, must be in no proxy's configuration unless it is granted.
func (b *beyond) grants(t *testing.T) {
	b.namespace(t, "grants")
	own := b.trust.Issue(t, []string{"own"}, nil)
	b.apply(t, keyPairManifest, "grants", "own", string(own.Certificate), string(own.Key), string(b.trust.PEM))
	b.apply(t, backendManifest, "grants", "own", b.backend.Port)
	b.apply(t, policyManifest, "grants", "own")
	all := crossings(t)
	proxies := map[string]*envoytest.Envoy{"": b.envoy}
	secrets := map[string][][]byte{}
	for _, c := range all {
		secrets[c.name] = b.vault(t, c.name)
		b.apply(t, "%s", c.manifests)
		if c.gateway != "" {
			proxies[c.gateway] = b.cluster.envoy(b.test, "grants", c.gateway)
		}
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			b.cross(t, c, secrets[c.name], proxies)
		})
	}
}

// vault makes a namespace with a key pair and a backend that is verified by a
// bundle in a Secret, and gives what must not leave it.
func (b *beyond) vault(t *testing.T, namespace string) [][]byte {
	t.Helper()
	trust := envoytest.NewCA(t, namespace)
	pair := trust.Issue(t, []string{namespace}, nil)
	b.apply(t, namespaceManifest, namespace)
	b.apply(t, keyPairManifest, namespace, "pair", string(pair.Certificate), string(pair.Key), string(trust.PEM))
	b.apply(t, serviceManifest, namespace, "app", "[{name: main, port: 8443}]")
	b.apply(t, sliceManifest, namespace, "app", "[{name: main, port: 1}]")
	b.apply(t, backendManifest, namespace, "app", 1)
	b.apply(t, tlsPolicyManifest, namespace, "app", `[{group: "", kind: Service, name: app}, {group: gateway.kgateway.dev, kind: Backend, name: app}]`,
		`{hostname: example.com, caCertificateRefs: [{group: "", kind: Secret, name: pair}]}`, "{example.org/any: x}")
	return [][]byte{pair.Certificate, pair.Key, trust.PEM}
}

// cross follows one reference.
func (b *beyond) cross(t *testing.T, c crossing, secrets [][]byte, proxies map[string]*envoytest.Envoy) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(gatewayv1.GroupVersion.String())
	object.SetKind(c.kind)
	refused := func(want bool) {
		t.Helper()
		eventually(t, b.cluster, object, "grants", c.name, func(o *unstructured.Unstructured) error {
			status, err := json.Marshal(o.Object["status"])
			if err == nil && strings.Contains(string(status), "RefNotPermitted") != want {
				err = fmt.Errorf("the status says RefNotPermitted: %v, want %v: %s", !want, want, status)
			}
			return err
		})
	}
	nowhere := func() {
		t.Helper()
		if where := b.translated(t, secrets); where != "" {
			t.Errorf("a secret is in %s", where)
		}
		for name, proxy := range proxies {
			envoytest.Eventually(t, patient, func() error { return hasNone(proxy.Admin(t, "/config_dump?include_eds"), secrets, name) })
		}
	}
	refused(true)
	nowhere()
	for _, unfit := range [][3]string{
		{c.kind, "elsewhere", c.to}, {"Service", "grants", c.to}, {c.kind, "grants", strings.Replace(c.to, "name: ", "name: other-", 1)},
		{c.kind, "grants", `{group: example.org, kind: Secret}`},
	} {
		b.apply(t, grantManifest, c.name, unfit[0], unfit[1], unfit[2])
		if where := b.translated(t, secrets); where != "" {
			t.Errorf("with a grant from %s of %s to %s a secret is in %s", unfit[0], unfit[1], unfit[2], where)
		}
	}
	b.apply(t, grantManifest, c.name, c.kind, "grants", c.to)
	began := time.Now()
	envoytest.Eventually(t, patient, func() error {
		if hasNone(proxies[c.gateway].Admin(t, "/config_dump?include_eds"), secrets, "") == nil {
			return fmt.Errorf("what is granted is not in the proxy's configuration")
		}
		return nil
	})
	granted := time.Since(began)
	refused(false)
	b.remove(t, grantManifest, c.name, c.kind, "grants", c.to)
	began = time.Now()
	refused(true)
	said := time.Since(began)
	if c.port != 0 {
		envoytest.Eventually(t, patient, func() error { return silent(t, c.port) })
		proxies[c.gateway] = b.cluster.envoy(b.test, "grants", c.gateway)
	}
	nowhere()
	t.Logf("granted after %v; taken away in the status after %v, in the proxies after %v",
		granted.Round(time.Millisecond), said.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// silent is an error while somebody listens on a port.
func silent(t *testing.T, port uint16) error {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil //nolint:nilerr // That is what is wanted.
	}
	return errors.Join(errors.New("somebody listens"), conn.Close())
}

// hasNone is an error where a dump of a proxy's configuration has a secret.
func hasNone(dump []byte, secrets [][]byte, proxy string) error {
	for _, secret := range secrets {
		if bytes.Contains(dump, []byte(base64.StdEncoding.EncodeToString(secret))) {
			return fmt.Errorf("a secret is in proxy %q", proxy)
		}
	}
	return nil
}

// translated names the resource of a Gateway in which a secret is, with what a
// proxy does not show: private keys.
func (b *beyond) translated(t *testing.T, secrets [][]byte) string {
	t.Helper()
	translation, err := controlplane.Translate(b.objects(t), controlplane.TranslationOptions{AllowLoopbackBackends: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range translation.Gateways {
		var all []proto.Message
		for _, r := range g.Resources.Secrets {
			all = append(all, r)
		}
		for _, r := range g.Resources.Clusters {
			all = append(all, r)
		}
		for _, r := range g.Resources.Listeners {
			all = append(all, r)
		}
		for _, r := range g.Resources.Routes {
			all = append(all, r)
		}
		for _, r := range all {
			encoded, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range secrets {
				if bytes.Contains(encoded, secret) {
					return fmt.Sprintf("%s/%s: %T", g.Namespace, g.Name, r)
				}
			}
		}
	}
	return ""
}

// objects are all that the controller reads.
func (b *beyond) objects(t *testing.T) []client.Object {
	t.Helper()
	var objects []client.Object
	for _, list := range []client.ObjectList{
		&gatewayv1.GatewayClassList{}, &gatewayv1.GatewayList{}, &gatewayv1.ListenerSetList{}, &gatewayv1.HTTPRouteList{}, &gatewayv1.GRPCRouteList{},
		&gatewayv1.TLSRouteList{}, &gatewayv1.ReferenceGrantList{}, &gatewayv1.BackendTLSPolicyList{},
		&v1alpha1.BackendList{}, &v1alpha1.BackendConfigPolicyList{},
		&corev1.NamespaceList{}, &corev1.ServiceList{}, &discoveryv1.EndpointSliceList{}, &corev1.SecretList{}, &corev1.ConfigMapList{},
	} {
		if err := b.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error {
			objects = append(objects, o.(client.Object))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}
