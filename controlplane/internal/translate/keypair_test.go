package translate

import (
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// TestKeyPairChain has a chain that Envoy would reject, and with it the
// listener of everybody on the port.
func TestKeyPairChain(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "ca")
	pair := ca.Issue(t, []string{"example.com"}, nil)
	junk := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	for name, test := range map[string]struct {
		chain []byte
		want  string
	}{
		"leaf and CA":       {chain: slices.Concat(pair.Certificate, ca.PEM)},
		"junk after a leaf": {chain: slices.Concat(pair.Certificate, junk), want: "certificate 2 of tls.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := parseKeyPair(&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "server"},
				Data:       map[string][]byte{corev1.TLSCertKey: test.chain, corev1.TLSPrivateKeyKey: pair.Key},
			})
			if test.want == "" && err != nil {
				t.Error(err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// TestCertificateForWhom: a certificate without any name is none for a
// listener, and good enough for a client.
func TestCertificateForWhom(t *testing.T) {
	t.Parallel()
	pair := envoytest.OddPairs(t, envoytest.NewCA(t, "ca"), "example.com")["ECDSA, no name at all"]
	odd := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "odd"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key},
	}
	object := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "http"},
		Spec: gatewayv1.GatewaySpec{
			TLS: &gatewayv1.GatewayTLSConfig{Backend: &gatewayv1.GatewayBackendTLS{
				ClientCertificateRef: &gatewayv1.SecretObjectReference{Name: "odd"},
			}},
			Listeners: []gatewayv1.Listener{{
				Name: "https", Port: 443, Protocol: gatewayv1.HTTPSProtocolType,
				TLS: &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "odd"}}},
			}},
		},
	}
	translation := newTranslation(&snapshot.Snapshot{Secrets: []*corev1.Secret{odd}}, Options{})
	g := &gateway{object: object, name: nameOf(object)}
	if c := translation.clientCertificateOf(g); c.problem != nil || c.secret == nil {
		t.Errorf("for a client: %+v", c.problem)
	}
	if l := translation.newListener(g, g.ref(), &object.Spec.Listeners[0]); l.unresolved == nil || len(l.certificates) > 0 {
		t.Error("for a listener: it is taken")
	}
}
