package translate

import (
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
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
