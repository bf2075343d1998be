package envoy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/translate"
)

// TestEnvoyTakesWhatKeyPairsTake serves every odd key pair that the translation
// takes to a real Envoy, as the certificate of a listener and as that of a
// client: what it would reject must be refused, and said, before.
func TestEnvoyTakesWhatKeyPairsTake(t *testing.T) {
	t.Parallel()
	server := startWithProxy(t)
	pairs := envoytest.OddPairs(t, envoytest.NewCA(t, "pairs"), "example.com")
	trust := envoytest.NewCA(t, "backends").PEM
	names := slices.Sorted(maps.Keys(pairs))
	objects := []client.Object{
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "tlsgw"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: contract.ControllerName}},
	}
	gateway := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "http"}, Spec: gatewayv1.GatewaySpec{GatewayClassName: "tlsgw"}}
	port := gatewayv1.PortNumber(envoytest.FreePort(t))
	for i, name := range names {
		object := metav1.ObjectMeta{Namespace: "infra", Name: fmt.Sprintf("odd-%d", i)}
		host := gatewayv1.Hostname(object.Name + ".example")
		gateway.Spec.Listeners = append(gateway.Spec.Listeners, gatewayv1.Listener{
			Name: gatewayv1.SectionName(object.Name), Protocol: gatewayv1.HTTPSProtocolType, Port: port, Hostname: &host,
			TLS: &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: gatewayv1.ObjectName(object.Name)}}},
		})
		objects = append(objects, oddClient(object, pairs[name], trust)...)
	}
	s, err := snapshot.New(append(objects, gateway))
	if err != nil {
		t.Fatal(err)
	}
	result := translate.Translate(s, translate.Options{ControllerName: contract.ControllerName, Now: time.Now(), AllowLoopback: true})
	resources, err := envoy.Build(result.Gateways[0], envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d key pairs are taken", len(resources.Secrets), len(pairs))
	server.Publish(gatewayName(), 1, resources)
	envoytest.Eventually(t, 20*time.Second, func() error {
		if s := server.State(gatewayName()); s.AckedRevision != 1 {
			return fmt.Errorf("not acknowledged: %+v", s)
		}
		return nil
	})
	for _, rejection := range server.State(gatewayName()).Rejections {
		t.Errorf("Envoy does not take %s: %s", meaning(rejection.Resources, names), rejection.Message)
	}
}

// oddClient is a backend with a client certificate, and a route to it.
func oddClient(object metav1.ObjectMeta, pair envoytest.Pair, trust []byte) []client.Object {
	sni, group, kind := "example.com", gatewayv1.Group(v1alpha1.GroupName), gatewayv1.Kind("Backend")
	return []client.Object{
		&corev1.Secret{ObjectMeta: object, Type: corev1.SecretTypeTLS, Data: map[string][]byte{
			corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key, contract.CAKey: trust,
		}},
		&v1alpha1.Backend{ObjectMeta: object, Spec: v1alpha1.BackendSpec{Static: &v1alpha1.StaticBackend{Hosts: []v1alpha1.Host{{Host: "127.0.0.1", Port: 1}}}}},
		&v1alpha1.BackendConfigPolicy{ObjectMeta: object, Spec: v1alpha1.BackendConfigPolicySpec{
			TargetRefs: []v1alpha1.TargetRef{{Group: group, Kind: kind, Name: gatewayv1.ObjectName(object.Name)}},
			TLS:        &v1alpha1.TLS{SecretRef: &corev1.LocalObjectReference{Name: object.Name}, SNI: &sni},
		}},
		&gatewayv1.HTTPRoute{ObjectMeta: object, Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: "http"}}},
			Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: gatewayv1.BackendObjectReference{Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(object.Name)},
			}}}}},
		}},
	}
}

// meaning says what is odd about the resources, whose names end in "odd-" and a
// number.
func meaning(resources, names []string) string {
	var odd []string
	for _, resource := range resources {
		number := -1
		if _, err := fmt.Sscanf(resource[strings.LastIndex(resource, "/")+1:], "odd-%d", &number); err == nil {
			resource += " (" + names[number] + ")"
		}
		odd = append(odd, resource)
	}
	return strings.Join(odd, ", ")
}
