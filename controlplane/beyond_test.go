package controlplane_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	// serviceManifest takes namespace, name, and the ports in YAML.
	serviceManifest = `
apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s}
spec: {clusterIP: None, ports: %[3]s}`

	// sliceManifest leads the ports of a Service to this machine, by a name that
	// Envoy resolves to loopback itself: slices may not hold that address.
	sliceManifest = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[2]s, namespace: %[1]s, labels: {kubernetes.io/service-name: %[2]s}}
addressType: FQDN
endpoints: [{addresses: [backend.localhost]}]
ports: %[3]s`

	// tlsPolicyManifest takes namespace, name, the targets, the validation and
	// the options in YAML.
	tlsPolicyManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  targetRefs: %[3]s
  validation: %[4]s
  options: %[5]s`

	// secretManifest takes namespace, name and the CA bundle.
	secretManifest = `
apiVersion: v1
kind: Secret
metadata: {name: %[2]s, namespace: %[1]s}
stringData: {ca.crt: %[3]q}`

	// bundleManifest takes namespace, name and the CA bundle.
	bundleManifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: %[2]s, namespace: %[1]s}
data: {ca.crt: %[3]q}`

	// portRouteManifest takes namespace, name and the backendRefs in YAML.
	portRouteManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  parentRefs: [{name: http, namespace: infra}]
  hostnames: [%[2]s.%[1]s.example]
  rules:
  - backendRefs: %[3]s`
)

// beyond is a world for what the conformance suite does not ask of
// BackendTLSPolicies.
type beyond struct {
	*world
	// test is the whole one, which proxies outlive their parts in.
	test *testing.T
	// other is a second backend, which otherTrust verifies.
	other      *envoytest.Backend
	otherTrust *envoytest.CA
}

// TestBackendTLS runs the controller against a real API server, a real Envoy
// and TLS backends. Its parts share them, in this order.
func TestBackendTLS(t *testing.T) {
	c := startCluster(t)
	b := &beyond{
		test:       t,
		world:      &world{cluster: c, port: envoytest.FreePort(t), trust: envoytest.NewCA(t, "backends")},
		otherTrust: envoytest.NewCA(t, "other backends"),
	}
	b.backend = envoytest.StartBackend(t, "backend", b.trust.Issue(t, []string{"example.com"}, nil))
	b.other = envoytest.StartBackend(t, "other", b.otherTrust.Issue(t, []string{"other.example"}, nil))
	b.backend.OneEach()
	b.other.OneEach()
	b.stop = c.run(t)
	c.apply(t, namespaceManifest+"\n---\n"+gatewayManifest, "infra", b.port)
	b.envoy = c.envoy(t, "infra", "http")
	t.Run("several references", b.severalReferences)
	t.Run("a Secret alone", b.secretAlone)
	t.Run("a port and the others", b.portAndOthers)
	t.Run("options", b.options)
	t.Run("expired certificates", b.expired)
	t.Run("without a route or a target", b.unused)
	t.Run("ports that cannot be", b.impossiblePorts)
	t.Run("a reference comes and goes", b.flips)
	t.Run("seventeen Gateways", b.seventeen)
	t.Run("others' ancestors", b.othersAncestors)
	t.Run("a port that is taken", b.occupied)
	t.Run("grants", b.grants)
	t.Run("routes that are refused", b.refused)
	t.Run("versions of Gateway API", b.versions)
}

// policy makes a BackendTLSPolicy of a Backend of the same name.
func (b *beyond) policy(t *testing.T, namespace, name, validation, options string) {
	t.Helper()
	targets := fmt.Sprintf("[{group: gateway.kgateway.dev, kind: Backend, name: %s}]", name)
	b.apply(t, tlsPolicyManifest, namespace, name, targets, validation, options)
}

// routed makes a Backend and the route to it. Without a policy made before, the
// first requests are in plaintext.
func (b *beyond) routed(t *testing.T, namespace, name string) {
	t.Helper()
	b.apply(t, backendManifest, namespace, name, b.backend.Port)
	b.apply(t, routeManifest, namespace, name, "infra")
}

// tlsPolicy waits until good is nil for the conditions of a policy.
func (b *beyond) tlsPolicy(t *testing.T, namespace, name string, good func(generation int64, conditions []metav1.Condition) error) {
	t.Helper()
	eventually(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, namespace, name, func(o *gatewayv1.BackendTLSPolicy) error {
		return good(o.Generation, ofAncestor(o.Status))
	})
}

func (b *beyond) accepted(t *testing.T, namespace, name string) {
	t.Helper()
	b.tlsPolicy(t, namespace, name, func(generation int64, conditions []metav1.Condition) error {
		return isTrue(generation, conditions, "Accepted", "ResolvedRefs")
	})
}

// severalReferences has the backend's CA in the last of three references.
func (b *beyond) severalReferences(t *testing.T) {
	const refs = `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: %s}, {group: "", kind: ConfigMap, name: second}, {group: "", kind: Secret, name: trust}]}`
	b.apply(t, namespaceManifest, "several")
	b.apply(t, bundleManifest, "several", "first", string(b.otherTrust.PEM))
	b.apply(t, bundleManifest, "several", "second", string(envoytest.NewCA(t, "second").PEM))
	b.apply(t, secretManifest, "several", "trust", string(b.otherTrust.PEM)+string(b.trust.PEM))
	b.policy(t, "several", "all", fmt.Sprintf(refs, "first"), "{}")
	b.routed(t, "several", "all")
	expect(t, b.port, "all.several.example", http.StatusOK)
	b.accepted(t, "several", "all")

	// A reference to nothing is said, and the others serve.
	b.policy(t, "several", "some", fmt.Sprintf(refs, "missing"), "{}")
	b.routed(t, "several", "some")
	expect(t, b.port, "some.several.example", http.StatusOK)
	b.tlsPolicy(t, "several", "some", func(generation int64, conditions []metav1.Condition) error {
		if err := says(conditions, "ResolvedRefs", metav1.ConditionFalse, "InvalidCACertificateRef", "several/missing"); err != nil {
			return err
		}
		return isTrue(generation, conditions, "Accepted")
	})

	// Without the backend's CA among them, nothing passes.
	b.apply(t, secretManifest, "several", "trust", string(b.otherTrust.PEM))
	expect(t, b.port, "all.several.example", http.StatusServiceUnavailable)
}

func (b *beyond) secretAlone(t *testing.T) {
	b.apply(t, namespaceManifest, "secret")
	b.apply(t, secretManifest, "secret", "trust", string(b.trust.PEM))
	b.policy(t, "secret", "one", `{hostname: example.com, caCertificateRefs: [{group: "", kind: Secret, name: trust}]}`, "{}")
	b.routed(t, "secret", "one")
	expect(t, b.port, "one.secret.example", http.StatusOK)
	b.accepted(t, "secret", "one")
}

// portAndOthers has two backends behind the ports of one Service, which differ
// in name and CA.
func (b *beyond) portAndOthers(t *testing.T) {
	b.apply(t, namespaceManifest, "ports")
	b.apply(t, bundleManifest, "ports", "ca", string(b.trust.PEM))
	b.apply(t, bundleManifest, "ports", "other-ca", string(b.otherTrust.PEM))
	b.apply(t, serviceManifest, "ports", "app", "[{name: main, port: 8443}, {name: other, port: 8444}]")
	b.apply(t, sliceManifest, "ports", "app", fmt.Sprintf("[{name: main, port: %d}, {name: other, port: %d}]", b.backend.Port, b.other.Port))
	const target = `[{group: "", kind: Service, name: app%s}]`
	const validation = `{hostname: %s, caCertificateRefs: [{group: "", kind: ConfigMap, name: %s}]}`
	b.apply(t, tlsPolicyManifest, "ports", "whole", fmt.Sprintf(target, ""), fmt.Sprintf(validation, "example.com", "ca"), "{}")
	b.apply(t, portRouteManifest, "ports", "main", "[{name: app, port: 8443}]")
	b.apply(t, portRouteManifest, "ports", "other", "[{name: app, port: 8444}]")
	expect(t, b.port, "main.ports.example", http.StatusOK)
	expect(t, b.port, "other.ports.example", http.StatusServiceUnavailable)
	b.apply(t, tlsPolicyManifest, "ports", "one", fmt.Sprintf(target, ", sectionName: other"), fmt.Sprintf(validation, "other.example", "other-ca"), "{}")
	expect(t, b.port, "other.ports.example", http.StatusOK)
	expect(t, b.port, "main.ports.example", http.StatusOK)
	b.accepted(t, "ports", "whole")
	b.accepted(t, "ports", "one")
	if sni := b.other.Last().ServerName; sni != "other.example" {
		t.Errorf("the other port saw the SNI %q", sni)
	}
	// A policy of one port that is not valid closes that port only.
	b.apply(t, tlsPolicyManifest, "ports", "one", fmt.Sprintf(target, ", sectionName: other"), fmt.Sprintf(validation, "other.example", "missing"), "{}")
	expect(t, b.port, "other.ports.example", http.StatusInternalServerError)
	expect(t, b.port, "main.ports.example", http.StatusOK)
	if _, plain := b.other.Counts(); plain != 0 {
		t.Errorf("the backend got %d plaintext requests", plain)
	}
}

// options has the backend take everything, and looks at what it was offered.
func (b *beyond) options(t *testing.T) {
	b.namespace(t, "options")
	backend := envoytest.StartBackend(t, "options", b.trust.Issue(t, []string{"example.com"}, nil))
	backend.Demand(&tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	const validation = `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`
	for name, test := range map[string]struct {
		options         string
		version, cipher uint16
		alpn            string
	}{
		"newest": {options: `{}`, version: tls.VersionTLS13, alpn: "http/1.1"},
		"old":    {options: `{tlsgw.dev/max-tls-version: "1.2"}`, version: tls.VersionTLS12, alpn: "http/1.1"},
		"new":    {options: `{tlsgw.dev/min-tls-version: "1.3"}`, version: tls.VersionTLS13, alpn: "http/1.1"},
		"cipher": {
			options: `{tlsgw.dev/max-tls-version: "1.2", tlsgw.dev/cipher-suites: ECDHE-ECDSA-AES256-GCM-SHA384}`,
			version: tls.VersionTLS12, cipher: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, alpn: "http/1.1",
		},
		"chacha": {
			options: `{tlsgw.dev/max-tls-version: "1.2", tlsgw.dev/cipher-suites: TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}`,
			version: tls.VersionTLS12, cipher: tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, alpn: "http/1.1",
		},
		"alpn": {options: `{tlsgw.dev/alpn: h2}`, version: tls.VersionTLS13, alpn: "h2"},
		"both": {options: `{tlsgw.dev/alpn: "http/1.1,h2"}`, version: tls.VersionTLS13, alpn: "h2"},
	} {
		b.apply(t, backendManifest, "options", name, backend.Port)
		b.policy(t, "options", name, validation, test.options)
		b.apply(t, routeManifest, "options", name, "infra")
		expect(t, b.port, name+".options.example", http.StatusOK)
		seen := backend.Last()
		if seen.Version != test.version || seen.NegotiatedProtocol != test.alpn || test.cipher != 0 && seen.CipherSuite != test.cipher {
			t.Errorf("%s: the backend saw %s, %s, ALPN %q", name,
				tls.VersionName(seen.Version), tls.CipherSuiteName(seen.CipherSuite), seen.NegotiatedProtocol)
		}
		b.accepted(t, "options", name)
	}
	// What both ends cannot agree on does not pass.
	backend.Demand(&tls.Config{MinVersion: tls.VersionTLS13})
	b.policy(t, "options", "old", validation, `{tlsgw.dev/max-tls-version: "1.2", tlsgw.dev/alpn: http/1.1}`)
	expect(t, b.port, "old.options.example", http.StatusServiceUnavailable)
	for _, wrong := range []string{"tlsgw.dev/cipher-suites: NONE", "tlsgw.dev/max-tls-version: SSLv3", "tlsgw.dev/min-tls: '1.2'"} {
		b.policy(t, "options", "new", validation, "{"+wrong+"}")
		expect(t, b.port, "new.options.example", http.StatusInternalServerError)
		_, value, _ := strings.Cut(wrong, ": ")
		key, _, _ := strings.Cut(wrong, ":")
		b.tlsPolicy(t, "options", "new", func(_ int64, conditions []metav1.Condition) error {
			if says(conditions, "Accepted", metav1.ConditionFalse, "Invalid", value) == nil {
				return nil
			}
			return says(conditions, "Accepted", metav1.ConditionFalse, "Invalid", key)
		})
		b.policy(t, "options", "new", validation, `{tlsgw.dev/max-tls-version: "1.3"}`)
		expect(t, b.port, "new.options.example", http.StatusOK)
	}
}

// expired has bundles of which all or some certificates have expired.
func (b *beyond) expired(t *testing.T) {
	b.apply(t, namespaceManifest, "expired")
	old := envoytest.NewExpiredCA(t, "old backends")
	const validation = `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`
	b.apply(t, bundleManifest, "expired", "ca", string(old.PEM))
	b.policy(t, "expired", "one", validation, "{}")
	b.routed(t, "expired", "one")
	b.tlsPolicy(t, "expired", "one", func(_ int64, conditions []metav1.Condition) error {
		return says(conditions, "Accepted", metav1.ConditionFalse, "ExpiredCertificate", "expired/ca")
	})
	expect(t, b.port, "one.expired.example", http.StatusInternalServerError)
	b.apply(t, bundleManifest, "expired", "ca", string(old.PEM)+string(b.trust.PEM))
	expect(t, b.port, "one.expired.example", http.StatusOK)
	b.accepted(t, "expired", "one")
	if _, plain := b.backend.Counts(); plain != 0 {
		t.Errorf("the backend got %d plaintext requests", plain)
	}
}

func (b *beyond) unused(t *testing.T) {
	b.namespace(t, "unused")
	const validation = `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`
	b.apply(t, backendManifest, "unused", "lonely", b.backend.Port)
	b.policy(t, "unused", "lonely", validation, "{}")
	b.policy(t, "unused", "lost", validation, "{}")
	b.accepted(t, "unused", "lonely")
	ancestor := func(name, kind string) {
		t.Helper()
		o := fetch(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "unused", name)
		if len(o.Status.Ancestors) != 1 || *o.Status.Ancestors[0].AncestorRef.Kind != gatewayv1.Kind(kind) {
			t.Errorf("the ancestors of %s are %+v, want one %s", name, o.Status.Ancestors, kind)
		}
	}
	b.tlsPolicy(t, "unused", "lost", func(_ int64, conditions []metav1.Condition) error {
		return says(conditions, "Accepted", metav1.ConditionFalse, "TargetNotFound", "unused/lost", "does not exist")
	})
	ancestor("lonely", "Backend")
	ancestor("lost", "Backend")
	// Both come to life without being touched.
	b.apply(t, routeManifest, "unused", "lonely", "infra")
	b.routed(t, "unused", "lost")
	for _, name := range []string{"lonely", "lost"} {
		expect(t, b.port, name+".unused.example", http.StatusOK)
		b.accepted(t, "unused", name)
		eventually(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "unused", name, func(o *gatewayv1.BackendTLSPolicy) error {
			if len(o.Status.Ancestors) != 1 || *o.Status.Ancestors[0].AncestorRef.Kind != "Gateway" {
				return fmt.Errorf("the ancestors are %+v, want the Gateway", o.Status.Ancestors)
			}
			return nil
		})
	}
}

// impossiblePorts has routes and policies for a port of UDP, and for one that
// is not there.
func (b *beyond) impossiblePorts(t *testing.T) {
	b.namespace(t, "noports")
	b.apply(t, serviceManifest, "noports", "app", "[{name: main, port: 8443}, {name: dns, port: 53, protocol: UDP}]")
	b.apply(t, sliceManifest, "noports", "app", fmt.Sprintf("[{name: main, port: %d}]", b.backend.Port))
	const validation = `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`
	const target = `[{group: "", kind: Service, name: app, sectionName: %s}]`
	for name, test := range map[string]struct {
		backend, reason, part, section, policyReason string
	}{
		"udp":  {"[{name: app, port: 53}]", "UnsupportedProtocol", "UDP", "dns", "Invalid"},
		"none": {"[{name: app, port: 9999}]", "BackendNotFound", "9999", "nosuch", "TargetNotFound"},
	} {
		b.apply(t, portRouteManifest, "noports", name, test.backend)
		b.apply(t, tlsPolicyManifest, "noports", name, fmt.Sprintf(target, test.section), validation, "{}")
		eventually(t, b.cluster, &gatewayv1.HTTPRoute{}, "noports", name, func(o *gatewayv1.HTTPRoute) error {
			return says(ofParent(o), "ResolvedRefs", metav1.ConditionFalse, test.reason, test.part)
		})
		b.tlsPolicy(t, "noports", name, func(_ int64, conditions []metav1.Condition) error {
			return says(conditions, "Accepted", metav1.ConditionFalse, test.policyReason, test.section)
		})
		expect(t, b.port, name+".noports.example", http.StatusInternalServerError)
	}
	// The good port of the same Service is as it was.
	b.apply(t, portRouteManifest, "noports", "main", "[{name: app, port: 8443}]")
	b.apply(t, tlsPolicyManifest, "noports", "main", `[{group: "", kind: Service, name: app}]`, validation, "{}")
	expect(t, b.port, "main.noports.example", http.StatusOK)
}

// flips breaks and mends a reference in every way, and measures how long it
// takes until traffic and status follow.
func (b *beyond) flips(t *testing.T) {
	b.namespace(t, "flips")
	b.policy(t, "flips", "one", `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`, "{}")
	b.routed(t, "flips", "one")
	expect(t, b.port, "one.flips.example", http.StatusOK)
	b.accepted(t, "flips", "one")
	broken := func(part string) func(int64, []metav1.Condition) error {
		return func(_ int64, conditions []metav1.Condition) error {
			if err := says(conditions, "ResolvedRefs", metav1.ConditionFalse, "InvalidCACertificateRef", "flips/ca", part); err != nil {
				return err
			}
			return says(conditions, "Accepted", metav1.ConditionFalse, "NoValidCACertificate", "500")
		}
	}
	whole := func(generation int64, conditions []metav1.Condition) error {
		return isTrue(generation, conditions, "Accepted", "ResolvedRefs")
	}
	const noKey = "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: flips}\ndata: {other: x}"
	for _, flip := range []struct {
		what string
		do   func()
		code int
		good func(int64, []metav1.Condition) error
	}{
		{"delete", func() { b.remove(t, noKey) }, http.StatusInternalServerError, broken("does not exist")},
		{"create", func() { b.apply(t, caManifest, "flips", string(b.trust.PEM)) }, http.StatusOK, whole},
		{"garble", func() { b.apply(t, caManifest, "flips", "-----BEGIN") }, http.StatusInternalServerError, broken("line 1")},
		{"mend", func() { b.apply(t, caManifest, "flips", string(b.trust.PEM)) }, http.StatusOK, whole},
		{"take the key", func() { b.apply(t, noKey) }, http.StatusInternalServerError, broken("no key ca.crt")},
		{"give the key", func() { b.apply(t, caManifest, "flips", string(b.trust.PEM)) }, http.StatusOK, whole},
		{"trust another", func() { b.apply(t, caManifest, "flips", string(b.otherTrust.PEM)) }, http.StatusServiceUnavailable, whole},
		{"trust again", func() { b.apply(t, caManifest, "flips", string(b.trust.PEM)) }, http.StatusOK, whole},
	} {
		flip.do()
		since := time.Now()
		expect(t, b.port, "one.flips.example", flip.code)
		traffic := time.Since(since)
		b.tlsPolicy(t, "flips", "one", flip.good)
		t.Logf("%-13s traffic %v, status %v", flip.what, traffic.Round(time.Millisecond), time.Since(since).Round(time.Millisecond))
	}
}
