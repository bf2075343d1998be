//go:build e2e

package local

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// servicePort is the port of every app's Service.
const servicePort = 8443

// app is a backend with a Service, and what is needed to reach it over TLS,
// none of it applied yet.
type app struct {
	*backend.Server
	suite           *suite
	namespace, name string
	// host is that of its route, and a name of its certificate.
	host string
	// values are what stands for ${...} in the manifests.
	values map[string]string
}

// namespace makes a namespace that no other test uses.
func (s *suite) namespace(t *testing.T, name string) string {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return name
}

// leaf is the configuration of a server with a certificate of the private CA.
func (s *suite) leaf(t *testing.T, names ...string) *tls.Config {
	t.Helper()
	return serve(pair(t)(s.certs.Leaf(s.private, pki.Spec{CommonName: names[0], DNSNames: names})))
}

func serve(p *pki.Pair) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{p.TLS()}} }

// app starts a backend with a certificate for HOST, signed by the private CA.
func (s *suite) app(t *testing.T, namespace, name string) *app {
	t.Helper()
	return s.appWith(t, namespace, name, s.leaf(t, hostOf(namespace, name)))
}

func hostOf(namespace, name string) string { return name + "." + namespace + ".example" }

// appWith starts a backend with that configuration; nil is plaintext.
func (s *suite) appWith(t *testing.T, namespace, name string, config *tls.Config) *app {
	t.Helper()
	server, err := backend.Listen(context.WithoutCancel(t.Context()), backend.Options{Name: name, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	host := hostOf(namespace, name)
	return &app{
		Server: server, suite: s, namespace: namespace, name: name, host: host,
		values: map[string]string{
			"NAMESPACE":  namespace,
			"NAME":       name,
			"HOST":       host,
			"SNI":        host,
			"PORT":       strconv.Itoa(int(server.Port())),
			"CA":         text(s.private.CertPEM()),
			"CONFIGMAP":  name + "-ca",
			"GATEWAY_NS": contract.DevGatewayNamespace,
			"GATEWAY":    contract.DevGatewayName,
			"ROUTE":      name,
		},
	}
}

// text is a YAML string on one line.
func text(s []byte) string {
	quoted, err := json.Marshal(string(s))
	if err != nil {
		panic(fmt.Sprintf("marshal a string: %v", err)) // cannot happen
	}
	return string(quoted)
}

// manifests reads testdata/NAME.yaml; more values come in pairs.
func (a *app) manifests(t *testing.T, name string, more ...string) []*unstructured.Unstructured {
	t.Helper()
	values := map[string]string{}
	for key, value := range a.values {
		values[key] = value
	}
	for i := 0; i+1 < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	objects, err := devcluster.Manifests(filepath.Join("testdata", name+".yaml"), values)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// apply applies testdata/NAME.yaml, and deletes it with the test.
func (a *app) apply(t *testing.T, name string, more ...string) {
	t.Helper()
	a.suite.apply(t, a.manifests(t, name, more...)...)
}

// delete deletes what apply has applied.
func (a *app) delete(t *testing.T, name string, more ...string) {
	t.Helper()
	if err := a.suite.Delete(t.Context(), a.manifests(t, name, more...)...); err != nil {
		t.Fatal(err)
	}
}

// apply applies objects, and deletes them with the test.
func (s *suite) apply(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Delete(context.WithoutCancel(t.Context()), objects...); err != nil {
			t.Error(err)
		}
	})
	if err := s.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

// start applies all of an app and waits until it answers.
func (a *app) start(t *testing.T) {
	t.Helper()
	for _, name := range []string{"service", "ca", "policy", "route"} {
		a.apply(t, name)
	}
	a.suite.await(t, a.host, 200)
}

// statName is under which Envoy counts for the app.
func (a *app) statName() string {
	return contract.ServiceStatName(a.namespace, a.name, servicePort)
}
