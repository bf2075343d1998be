//go:build e2e

package local

import (
	"bytes"
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// specimen is one broken set-up: a working one, but for what is said here.
type specimen struct {
	name, verdict string
	// says is a part of what verify says.
	says string
	// server is the backend's configuration; nil is the working one's.
	server func(*testing.T, *suite, string) *tls.Config
	// plaintext is true for a backend without TLS.
	plaintext bool
	// values are changed in the manifests, in pairs.
	values func(*testing.T, *suite) []string
	// replace names other manifests in place of those of the working set-up;
	// the empty name leaves one out.
	replace map[string]string
	// closed backends do not listen any more.
	closed bool
	// extra manifests come after the others.
	extra []string
	// target of verify; svc/broken unless set.
	target string
	// originate are the arguments after TARGET for which its checks must
	// refuse the same set-up; nil where only verify can tell.
	originate []string
	// refusal is a part of what originate says.
	refusal string
}

// fromConfigMap takes the trust that the working set-up takes.
func fromConfigMap(more ...string) []string {
	return append([]string{"--ca-from", "configmap/broken-ca"}, more...)
}

func zoo() []specimen {
	return slices.Concat(zooCertificates(), zooTrust(), zooConnections(), zooPolicies())
}

// zooCertificates are backends with a certificate that is not good.
func zooCertificates() []specimen {
	return []specimen{
		{
			name: "01", verdict: "HostnameMismatch", says: "other.example",
			server: func(t *testing.T, s *suite, _ string) *tls.Config {
				t.Helper()
				return s.leaf(t, "other.example")
			},
			originate: fromConfigMap(), refusal: "other.example",
		},
		{
			name: "02", verdict: "UnknownAuthority", says: "Public Test CA",
			server: func(t *testing.T, s *suite, host string) *tls.Config {
				t.Helper()
				return serve(pair(t)(s.certs.Leaf(s.public, pki.Spec{CommonName: host, DNSNames: []string{host}})))
			},
			originate: fromConfigMap(), refusal: "Public Test CA",
		},
		{
			name: "03", verdict: "CertificateExpired", says: "expired",
			server: func(t *testing.T, s *suite, host string) *tls.Config {
				t.Helper()
				return serve(pair(t)(s.certs.Leaf(s.private, pki.Spec{
					CommonName: host, DNSNames: []string{host},
					NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
				})))
			},
			originate: fromConfigMap(), refusal: "expired",
		},
		{
			name: "09", verdict: "IncompleteChain", says: "Intermediate",
			server: func(t *testing.T, s *suite, host string) *tls.Config {
				t.Helper()
				intermediate := pair(t)(s.certs.Intermediate(s.private, pki.Spec{CommonName: "Intermediate"}))
				config := serve(pair(t)(s.certs.Leaf(intermediate, pki.Spec{CommonName: host, DNSNames: []string{host}})))
				config.Certificates[0].Certificate = config.Certificates[0].Certificate[:1]
				return config
			},
			originate: fromConfigMap(), refusal: "intermediate",
		},
	}
}

// zooTrust are trust bundles that are not good.
func zooTrust() []specimen {
	return []specimen{
		{
			name: "04", verdict: "CAExpired", says: "expired",
			values: func(t *testing.T, s *suite) []string {
				t.Helper()
				ca := pair(t)(s.certs.CA(pki.Spec{
					CommonName: "Expired CA", NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
				}))
				return []string{"CA", text(ca.CertPEM())}
			},
			originate: fromConfigMap(), refusal: "expired",
		},
		{
			name: "05", verdict: "CAMalformed", says: "HTML-escaped",
			values: func(t *testing.T, s *suite) []string {
				t.Helper()
				return []string{"CA", text(bytes.ReplaceAll(withPlus(t, s), []byte("+"), []byte("&#43;")))}
			},
			originate: fromConfigMap(), refusal: "HTML-escaped",
		},
		{
			name: "10a", verdict: "CARefNotFound", says: "broken-ca",
			replace:   map[string]string{"ca": ""},
			originate: fromConfigMap(), refusal: "configmap/broken-ca",
		},
		{
			name: "10b", verdict: "CAKeyMissing", says: "ca.crt",
			replace:   map[string]string{"ca": "ca-other-key"},
			originate: fromConfigMap(), refusal: "ca.crt",
		},
		{
			name: "10c", verdict: "CAMalformed", says: "empty",
			values:    func(*testing.T, *suite) []string { return []string{"CA", `""`} },
			originate: fromConfigMap(), refusal: "empty",
		},
	}
}

// zooConnections are backends that cannot be spoken to.
func zooConnections() []specimen {
	return []specimen{
		{name: "06", verdict: "NotTLS", plaintext: true, originate: fromConfigMap(), refusal: "TLS"},
		{
			name: "07", verdict: "ProtocolVersionMismatch", says: "1.3",
			server: func(t *testing.T, s *suite, host string) *tls.Config {
				t.Helper()
				config := s.leaf(t, host)
				config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
				return config
			},
			replace:   map[string]string{"policy": "policy-tls13"},
			originate: fromConfigMap("--min-tls", "1.3"), refusal: "1.3",
		},
		{
			name: "08", verdict: "ClientCertificateRequired",
			server: func(t *testing.T, s *suite, host string) *tls.Config {
				t.Helper()
				config := s.leaf(t, host)
				config.ClientAuth = tls.RequireAnyClientCert
				return config
			},
		},
		{
			name: "14a", verdict: "NoEndpoints", replace: map[string]string{"service": "service-without-endpoints"},
			originate: fromConfigMap(), refusal: "endpoint",
		},
		{name: "14b", verdict: "ConnectionRefused", closed: true, originate: fromConfigMap(), refusal: "refused"},
	}
}

// zooPolicies are policies and routes that lead nowhere.
func zooPolicies() []specimen {
	return []specimen{
		{
			name: "11", verdict: "PolicyConflicted", extra: []string{"policy-second"}, target: "backendtlspolicy/broken-second",
		},
		{
			name: "12", verdict: "TargetNotFound", says: "https",
			replace:   map[string]string{"policy": "policy-for-port"},
			values:    func(*testing.T, *suite) []string { return []string{"SECTION", "htps"} },
			originate: fromConfigMap("--port", "htps"), refusal: "https",
		},
		{name: "13", verdict: "RouteMissing", replace: map[string]string{"route": ""}},
		{name: "16", verdict: "VerificationDisabled", replace: map[string]string{"policy": "policy-insecure", "ca": ""}},
	}
}

// withPlus makes a CA whose PEM has a plus sign.
func withPlus(t *testing.T, s *suite) []byte {
	t.Helper()
	for {
		if ca := pair(t)(s.certs.CA(pki.Spec{CommonName: "Escaped CA"})).CertPEM(); bytes.Contains(ca, []byte("+")) {
			return ca
		}
	}
}

// Every broken set-up gets its verdict, and its working twin is Verified;
// where originate's checks can tell, nothing is applied.
func TestZoo(t *testing.T) {
	t.Parallel()
	s := shared(t)
	for _, x := range zoo() {
		t.Run(x.name+x.verdict, func(t *testing.T) {
			t.Parallel()
			namespace := s.namespace(t, "zoo-"+x.name)
			twin := s.app(t, namespace, "twin")
			twin.start(t)
			broken := x.build(t, s, namespace)

			s.wantVerdict(t, namespace, "svc/twin", "Verified")
			target := "svc/broken"
			if x.target != "" {
				target = x.target
			}
			got := s.wantVerdict(t, namespace, target, x.verdict)
			if !strings.Contains(got.Says(), x.says) {
				t.Errorf("%q is not said: %s", x.says, got.Says())
			}
			// It is pasted into a shell that knows nothing of this command's -n.
			if !strings.Contains(got.Hint, "kubectl ") || !strings.Contains(got.Hint, "-n "+namespace) {
				t.Errorf("hint %q names no command in namespace %s", got.Hint, namespace)
			}
			if x.verdict == "VerificationDisabled" {
				allowed := s.wantVerdict(t, namespace, target, "Verified", "--allow-insecure")
				if len(allowed.Warnings) == 0 {
					t.Error("--allow-insecure gives no warning")
				}
			}
			if x.originate != nil {
				x.refused(t, s, broken)
			}
		})
	}
}

// build applies the broken set-up.
func (x specimen) build(t *testing.T, s *suite, namespace string) *app {
	t.Helper()
	host := hostOf(namespace, "broken")
	config := s.leaf(t, host)
	if x.server != nil {
		config = x.server(t, s, host)
	}
	if x.plaintext {
		config = nil
	}
	broken := s.appWith(t, namespace, "broken", config)
	if x.values != nil {
		pairs := x.values(t, s)
		for i := 0; i+1 < len(pairs); i += 2 {
			broken.values[pairs[i]] = pairs[i+1]
		}
	}
	if x.closed {
		if err := broken.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range append([]string{"service", "ca", "policy", "route"}, x.extra...) {
		if other, replaced := x.replace[name]; replaced {
			name = other
		}
		if name != "" {
			broken.apply(t, name)
		}
	}
	s.awaitSeen(t, broken)
	return broken
}

// awaitSeen waits until the controller has said something of the policy.
func (s *suite) awaitSeen(t *testing.T, a *app) {
	t.Helper()
	poll.Until(t, soon, "a word on the policy", func() (bool, string) {
		for _, kind := range []string{backendTLSPolicy, backendConfigPolicy} {
			if conditions, err := s.policyConditions(t.Context(), kind, a.namespace, a.name); err == nil && len(conditions) > 0 {
				return true, ""
			}
		}
		return false, "nothing"
	})
}

// refused runs originate on the set-up without its policy, and wants it to
// say what is wrong and apply nothing.
func (x specimen) refused(t *testing.T, s *suite, broken *app) {
	t.Helper()
	policy := "policy"
	if other, replaced := x.replace[policy]; replaced {
		policy = other
	}
	broken.delete(t, policy)
	before := s.objects(t, broken.namespace)
	args := slices.Concat([]string{"originate", "svc/broken", "-n", broken.namespace, "--sni", broken.host}, x.originate)
	ran := s.Run(t.Context(), args...)
	if ran.Code == 0 || !strings.Contains(ran.Stderr, x.refusal) {
		t.Errorf("originate does not say %q: %s", x.refusal, ran)
	}
	if diff := cmp.Diff(before, s.objects(t, broken.namespace)); diff != "" {
		t.Errorf("originate refused and yet changed objects (-before +after):\n%s", diff)
	}
}

// objects are the names and contents of all that originate may write in a
// namespace, without what the controller writes.
func (s *suite) objects(t *testing.T, namespace string) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, kind := range []string{"ConfigMap", "Secret", "Service", "Backend", backendTLSPolicy, backendConfigPolicy, "HTTPRoute"} {
		list := &unstructured.UnstructuredList{}
		gvk := ref(kind, "", "").GroupVersionKind()
		gvk.Kind += "List"
		list.SetGroupVersionKind(gvk)
		if err := s.Client.List(context.WithoutCancel(t.Context()), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			unstructured.RemoveNestedField(item.Object, "status")
			unstructured.RemoveNestedField(item.Object, "metadata", "managedFields")
			unstructured.RemoveNestedField(item.Object, "metadata", "resourceVersion")
			found[kind+"/"+item.GetName()] = item.Object
		}
	}
	return found
}
