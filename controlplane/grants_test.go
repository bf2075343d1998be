package controlplane_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
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

	// grantSetManifest takes the port.
	grantSetManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set, namespace: grants}
spec:
  parentRef: {name: sets}
  listeners: [{name: https, protocol: HTTPS, port: %[1]d, tls: {certificateRefs: [{name: pair, namespace: set}]}}]`

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
	port := func() uint16 { return envoytest.FreePort(t) }
	listener, frontend, set := port(), port(), port()
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
			name: "set", kind: "ListenerSet", to: secret, gateway: "sets", port: set,
			manifests: gateway("sets", "{}", "{name: http, protocol: HTTP, port: %d}", port()) + "\n  allowedListeners: {namespaces: {from: Same}}" +
				"\n---\n" + fmt.Sprintf(grantSetManifest, set),
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
	x := &crossed{beyond: b, proxies: map[string]*envoytest.Envoy{"": b.envoy}, secrets: map[string][][]byte{}}
	for _, c := range all {
		x.secrets[c.name] = b.vault(t, c.name)
		b.apply(t, "%s", c.manifests)
		if c.gateway != "" {
			x.proxies[c.gateway] = b.cluster.envoy(b.test, "grants", c.gateway)
		}
	}
	for _, c := range all {
		x.refused(t, c, true)
	}
	x.nowhere(t)
	x.unfit(t, all)
	kept := maps.Clone(x.secrets)
	for _, c := range all {
		x.grant(t, c)
	}
	x.secrets = kept
	x.revoke(t, all)
	x.nowhere(t)
}

// crossed are proxies by the names of their Gateways, and what must be in none
// of them, by the crossings that lead to it.
type crossed struct {
	*beyond
	proxies map[string]*envoytest.Envoy
	secrets map[string][][]byte
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

// refused waits until the status of the object that refers says that it may
// not, or does not say so.
func (x *crossed) refused(t *testing.T, c crossing, want bool) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(gatewayv1.GroupVersion.String())
	object.SetKind(c.kind)
	eventually(t, x.cluster, object, "grants", c.name, func(o *unstructured.Unstructured) error {
		status, err := json.Marshal(o.Object["status"])
		if err == nil && strings.Contains(string(status), "RefNotPermitted") != want {
			err = fmt.Errorf("the status says RefNotPermitted: %v, want %v: %s", !want, want, status)
		}
		return err
	})
}

// nowhere waits until no secret is in a proxy, nor in what would be served.
func (x *crossed) nowhere(t *testing.T) {
	t.Helper()
	x.translated(t, "at first and in the end")
	for gateway, proxy := range x.proxies {
		envoytest.Eventually(t, patient, func() error {
			dump := proxy.Admin(t, "/config_dump?include_eds")
			for name, secrets := range x.secrets {
				if holds(dump, secrets) {
					return fmt.Errorf("a secret of %s is in proxy %q", name, gateway)
				}
			}
			return nil
		})
	}
}

// unfit makes grants that permit something else.
func (x *crossed) unfit(t *testing.T, all []crossing) {
	t.Helper()
	for what, change := range map[string]func(c crossing) [3]string{
		"another namespace": func(c crossing) [3]string { return [3]string{c.kind, "elsewhere", c.to} },
		"another kind":      func(c crossing) [3]string { return [3]string{anotherKind(c.kind), "grants", c.to} },
		"another name": func(c crossing) [3]string {
			return [3]string{c.kind, "grants", strings.Replace(c.to, "name: ", "name: other-", 1)}
		},
		"another referent": func(c crossing) [3]string { return [3]string{c.kind, "grants", "{group: example.org, kind: Secret}"} },
	} {
		for _, c := range all {
			grant := change(c)
			x.apply(t, grantManifest, c.name, grant[0], grant[1], grant[2])
		}
		x.translated(t, "with a grant of "+what)
	}
	for _, c := range all {
		x.refused(t, c, true)
	}
}

// anotherKind is one that may name the same things. What its Gateway may, a
// ListenerSet may not.
func anotherKind(kind string) string {
	if kind == "ListenerSet" {
		return "Gateway"
	}
	return "ListenerSet"
}

// grant permits one reference, and no other.
func (x *crossed) grant(t *testing.T, c crossing) {
	t.Helper()
	x.apply(t, grantManifest, c.name, c.kind, "grants", c.to)
	began := time.Now()
	envoytest.Eventually(t, patient, func() error {
		if !holds(x.proxies[c.gateway].Admin(t, "/config_dump?include_eds"), x.secrets[c.name]) {
			return fmt.Errorf("what is granted for %s is not in the proxy's configuration", c.name)
		}
		return nil
	})
	t.Logf("%-13s granted after %v", c.name, time.Since(began).Round(time.Millisecond))
	x.refused(t, c, false)
	delete(x.secrets, c.name)
	x.translated(t, "with the grant for "+c.name)
}

// revoke takes all grants away.
func (x *crossed) revoke(t *testing.T, all []crossing) {
	t.Helper()
	for _, c := range all {
		x.remove(t, grantManifest, c.name, c.kind, "grants", c.to)
	}
	began := time.Now()
	for _, c := range all {
		x.refused(t, c, true)
	}
	t.Logf("taken away in the statuses after %v", time.Since(began).Round(time.Millisecond))
	for _, c := range all {
		if c.port == 0 {
			envoytest.Eventually(t, patient, func() error {
				if holds(x.proxies[c.gateway].Admin(t, "/config_dump?include_eds"), x.secrets[c.name]) {
					return fmt.Errorf("a secret of %s is still in the proxy", c.name)
				}
				return nil
			})
			continue
		}
		envoytest.Eventually(t, patient, func() error { return silent(t, c.port) })
		x.proxies[c.gateway] = x.cluster.envoy(x.test, "grants", c.gateway)
	}
	t.Logf("taken away in the proxies after %v", time.Since(began).Round(time.Millisecond))
}

// holds tells whether a dump of a proxy's configuration has a secret.
func holds(dump []byte, secrets [][]byte) bool {
	return slices.ContainsFunc(secrets, func(secret []byte) bool {
		return bytes.Contains(dump, []byte(base64.StdEncoding.EncodeToString(secret)))
	})
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

// translated fails where a secret that was not granted is in a resource of a
// Gateway, with what a proxy does not show: private keys.
func (x *crossed) translated(t *testing.T, when string) {
	t.Helper()
	translation, err := controlplane.Translate(x.objects(t), controlplane.TranslationOptions{AllowLoopbackBackends: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range translation.Gateways {
		for _, r := range resourcesOf(g.Resources) {
			encoded, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			for name, secrets := range x.secrets {
				if slices.ContainsFunc(secrets, func(secret []byte) bool { return bytes.Contains(encoded, secret) }) {
					t.Errorf("%s a secret of %s is in a %T of Gateway %s/%s", when, name, r, g.Namespace, g.Name)
				}
			}
		}
	}
}

func resourcesOf(r *controlplane.Resources) []proto.Message {
	var all []proto.Message
	for _, secret := range r.Secrets {
		all = append(all, secret)
	}
	for _, c := range r.Clusters {
		all = append(all, c)
	}
	for _, l := range r.Listeners {
		all = append(all, l)
	}
	for _, routes := range r.Routes {
		all = append(all, routes)
	}
	return all
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
