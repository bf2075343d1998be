package controlplane_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// badBundles are CA bundles that are bad, or only look so.
func (w *crowd) badBundles(t *testing.T) []bad {
	t.Helper()
	good := string(w.trust.PEM)
	odd := envoytest.OddCertificates(t)
	block := func(kind string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("content")}))
	}
	var all []bad
	for _, b := range []struct {
		name, bundle string
		code         int
		reason       string
		parts        []string
	}{
		{"malformed", strings.Replace(good, "M", "!", 1), 500, "NoValidCACertificate", []string{"line 2"}},
		{"empty", "", 500, "NoValidCACertificate", []string{"is empty"}},
		{"with-key", good + block("PRIVATE KEY"), 500, "NoValidCACertificate", []string{"private key"}},
		{"with-crl", good + block("X509 CRL"), 500, "NoValidCACertificate", []string{"X509 CRL"}},
		{"expired", string(envoytest.NewExpiredCA(t, "expired").PEM), 500, "ExpiredCertificate", nil},
		{"not-for-envoy", good + string(odd["version 1 with extensions"]), 500, "NoValidCACertificate", []string{"Envoy does not take"}},
		{"negative-serial", good + string(odd["a negative serial"]), 500, "NoValidCACertificate", []string{"negative serial"}},
		{"garbage-of-1mb", strings.Repeat("no certificate\n", 69000), 500, "NoValidCACertificate", []string{"BEGIN CERTIFICATE"}},
		{"duplicates", strings.Repeat(good, 5), 200, "", nil},
		{"critical", string(odd["an unknown critical extension"]) + good, 200, "", nil},
		{"leaf", string(odd["a leaf"]) + string(odd["RSA of 512 bits"]) + good, 200, "", nil},
		{"bundle-of-1mb", largeBundle(t, w.trust.PEM), 200, "", nil},
	} {
		all = append(all, bad{
			name: b.name, code: b.code,
			make: func(t *testing.T) {
				t.Helper()
				w.apply(t, bundleManifest, "crowd", b.name, b.bundle)
				w.apply(t, backendManifest, "crowd", b.name, w.backend.Port)
				w.apply(t, strings.Replace(policyManifest, "name: ca}", "name: %[2]s}", 1), "crowd", b.name)
				w.badRoute(t, b.name, "{}")
			},
			mend: func(t *testing.T) {
				t.Helper()
				w.apply(t, bundleManifest, "crowd", b.name, good)
			},
			says: func(t *testing.T) error {
				t.Helper()
				if b.reason != "" {
					return w.saysPolicy(t, b.name, b.reason, append(b.parts, "crowd/"+b.name)...)
				}
				return w.goodPolicy(t, b.name)
			},
			good: func(t *testing.T) error { t.Helper(); return w.goodPolicy(t, b.name) },
		})
	}
	return all
}

// largeBundle is as large as a ConfigMap can be, and ends with a CA.
func largeBundle(t *testing.T, last []byte) string {
	t.Helper()
	const size = 1<<20 - 4096
	block, _ := pem.Decode(envoytest.OddCertificates(t)["the name empty"])
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i := 0; text.Len() < size-len(last); i++ {
		// The signature of an anchor is not looked at; it makes each differ.
		raw := append([]byte{}, certificate.Raw...)
		raw[len(raw)-1], raw[len(raw)-4] = byte(i), byte(i>>8)
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	}
	return text.String() + string(last)
}

// badPolicies are bad policies, Secrets, Backends and routes.
func (w *crowd) badPolicies(t *testing.T) []bad {
	t.Helper()
	w.pairs = envoytest.OddPairs(t, w.hosts, "bad.crowd.example")
	pair, other := w.trust.Issue(t, []string{"client"}, nil), w.trust.Issue(t, []string{"client"}, nil)
	mismatch := envoytest.Pair{Certificate: pair.Certificate, Key: other.Key}
	noSignatures := w.pairs["ECDSA, a key usage of encipherment"]
	const secret = "secretRef: {name: %s}"
	return []bad{
		w.badOption("bogus-cipher", "tlsgw.dev/cipher-suites: NO-SUCH-CIPHER", "NO-SUCH-CIPHER"),
		w.badOption("bogus-version", `tlsgw.dev/min-tls-version: "9"`, `"9"`),
		// Envoy would abort, again at every start.
		w.badOption("empty-alpn", `tlsgw.dev/alpn: "h2,"`, `ALPN protocol ""`),
		w.badSettings("comma-alpn", "insecureSkipVerify: true, alpnProtocols: ['h2,']", nil, `ALPN protocol "h2,"`),
		w.badSettings("bogus-curve", "insecureSkipVerify: true, parameters: {ecdhCurves: [P-257]}", nil, "P-257"),
		w.badSettings("bogus-algorithm", "insecureSkipVerify: true, parameters: {signatureAlgorithms: [rsa_md5]}", nil, "rsa_md5"),
		w.badSettings("key-mismatch", fmt.Sprintf(secret, "key-mismatch"), &mismatch, "key pair"),
		w.badSettings("key-usage", fmt.Sprintf(secret, "key-usage"), &noSignatures, "key usage"),
		w.badSettings("no-such-file", "files: {rootCA: /does/not/exist.crt}", nil, "/does/not/exist.crt"),
		w.badSettings("no-pem-file", "files: {rootCA: "+envoytest.WriteFile(t, "no.pem", []byte("no PEM"))+"}", nil, "no.pem"),
		w.badMatch("large-regex", "("+strings.Repeat("a|b", 1)+"){1,60}[a-z]{40}"),
		w.badMatch("no-regex", "(("),
		w.badHost(),
	}
}

// badOption is a BackendTLSPolicy with an option.
func (w *crowd) badOption(name, option, part string) bad {
	make := func(t *testing.T, options string) {
		t.Helper()
		w.apply(t, backendManifest, "crowd", name, w.backend.Port)
		w.apply(t, tlsPolicyManifest, "crowd", name, fmt.Sprintf("[{group: gateway.kgateway.dev, kind: Backend, name: %s}]", name),
			`{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`, options)
		w.badRoute(t, name, "{}")
	}
	return bad{
		name: name, code: http.StatusInternalServerError,
		make: func(t *testing.T) { t.Helper(); make(t, "{"+option+"}") },
		mend: func(t *testing.T) { t.Helper(); make(t, "{example.org/any: x}") },
		says: func(t *testing.T) error { t.Helper(); return w.saysPolicy(t, name, "Invalid", part) },
		good: func(t *testing.T) error { t.Helper(); return w.goodPolicy(t, name) },
	}
}

// badSettings is a BackendConfigPolicy with TLS settings, and maybe a key pair.
func (w *crowd) badSettings(name, settings string, pair *envoytest.Pair, part string) bad {
	const manifest = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: BackendConfigPolicy
metadata: {name: %[1]s, namespace: crowd}
spec:
  targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[1]s}]
  tls: {sni: example.com, %[2]s}`
	return bad{
		name: name, code: http.StatusInternalServerError,
		make: func(t *testing.T) {
			t.Helper()
			if pair != nil {
				w.apply(t, keyPairManifest, "crowd", name, string(pair.Certificate), string(pair.Key), string(w.trust.PEM))
			}
			w.apply(t, backendManifest, "crowd", name, w.backend.Port)
			w.apply(t, manifest, name, settings)
			w.badRoute(t, name, "{}")
		},
		mend: func(t *testing.T) {
			t.Helper()
			if pair == nil {
				w.apply(t, manifest, name, "files: {rootCA: "+envoytest.WriteFile(t, "root.crt", w.trust.PEM)+"}")
				return
			}
			right := w.trust.Issue(t, []string{"client"}, nil)
			w.apply(t, keyPairManifest, "crowd", name, string(right.Certificate), string(right.Key), string(w.trust.PEM))
		},
		says: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "crowd", name)
			return says(ofAncestor(o.Status), "Accepted", metav1.ConditionFalse, "Invalid", part)
		},
		good: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &v1alpha1.BackendConfigPolicy{}, "crowd", name)
			return isTrue(o.Generation, ofAncestor(o.Status), "Accepted", "Attached")
		},
	}
}

// badMatch is a route with a regular expression.
func (w *crowd) badMatch(name, expression string) bad {
	match := "{path: {type: RegularExpression, value: " + strconv.Quote(expression) + "}}"
	return bad{
		name: name, code: http.StatusNotFound,
		make: func(t *testing.T) {
			t.Helper()
			w.apply(t, backendManifest, "crowd", name, w.backend.Port)
			w.apply(t, policyManifest, "crowd", name)
			w.badRoute(t, name, match)
		},
		mend: func(t *testing.T) { t.Helper(); w.badRoute(t, name, "{}") },
		says: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &gatewayv1.HTTPRoute{}, "crowd", name)
			return says(ofParent(o), "Accepted", metav1.ConditionFalse, "UnsupportedValue", "regular expression")
		},
		good: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &gatewayv1.HTTPRoute{}, "crowd", name)
			return isTrue(o.Generation, ofParent(o), "Accepted", "ResolvedRefs")
		},
	}
}

// badHost is a Backend that leads nowhere.
func (w *crowd) badHost() bad {
	const name = "bad-host"
	return bad{
		name: name, code: http.StatusInternalServerError,
		make: func(t *testing.T) {
			t.Helper()
			w.apply(t, strings.Replace(backendManifest, "127.0.0.1", "no_such host!", 1), "crowd", name, w.backend.Port)
			w.apply(t, policyManifest, "crowd", name)
			w.badRoute(t, name, "{}")
		},
		mend: func(t *testing.T) { t.Helper(); w.apply(t, backendManifest, "crowd", name, w.backend.Port) },
		says: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &v1alpha1.Backend{}, "crowd", name)
			return says(o.Status.Conditions, "Accepted", metav1.ConditionFalse, "Invalid", "no_such host!")
		},
		good: func(t *testing.T) error {
			t.Helper()
			o := fetch(t, w.cluster, &v1alpha1.Backend{}, "crowd", name)
			return isTrue(o.Generation, o.Status.Conditions, "Accepted")
		},
	}
}

// badListener gives one of two listeners on a port what Envoy refuses for both.
func (w *crowd) badListener(t *testing.T) {
	bad := func(name string) func(*gatewayv1.Gateway) error {
		return func(o *gatewayv1.Gateway) error {
			for i := range o.Status.Listeners {
				if l := &o.Status.Listeners[i]; l.Name == "bad" {
					return says(l.Conditions, "ResolvedRefs", metav1.ConditionFalse, "InvalidCertificateRef", name)
				}
			}
			return fmt.Errorf("listeners: %+v", o.Status.Listeners)
		}
	}
	for name, part := range map[string]string{
		"ECDSA, a key usage of agreement":         "key usage",
		"RSA, stapling demanded":                  "stapling",
		"RSA, no name at all":                     "name",
		"RSA of 1024 bits":                        "1024",
		"another's key":                           "key pair",
		"in the chain: version 2 with extensions": "certificate 2",
	} {
		w.pair(t, "bad", w.pairs[name])
		eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", bad(part))
		w.unharmed(t)
	}
}

// rejectedOnce changes other things while Envoy stands by its rejection of two
// clusters, and counts what it is sent and what it rejects again.
func (w *crowd) rejectedOnce(t *testing.T) {
	const changes = 10
	const rejected = "cluster_manager.cds.update_rejected"
	w.settle(t)
	before, responses := w.envoy.Stat(t, rejected), w.responses(t)
	if before == 0 {
		t.Fatal("nothing was rejected")
	}
	for i := range changes {
		name := fmt.Sprintf("calm%d", i)
		w.backed(t, "crowd", name)
		expect(t, w.port, name+".crowd.example", http.StatusOK)
	}
	w.settle(t)
	if after := w.envoy.Stat(t, rejected); after != before {
		t.Errorf("Envoy rejected %d times more while other things changed", after-before)
	}
	sent := w.responses(t) - responses
	t.Logf("%d changes, %d responses with clusters", changes, sent)
	if sent > 2*changes {
		t.Errorf("%d responses with clusters were sent for %d changes", sent, changes)
	}
	w.unharmed(t)
}

// responses counts those with clusters.
func (w *crowd) responses(t *testing.T) int {
	t.Helper()
	_, body, err := get(t, w.metrics, "")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(body, "\n") {
		if value, ok := strings.CutPrefix(line, `tlsgw_xds_responses_total{type="cluster"} `); ok {
			count, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(count)
		}
	}
	t.Fatalf("no responses are counted: %s", body)
	return 0
}
