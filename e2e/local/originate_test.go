//go:build e2e

package local

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// ok runs a command that has to succeed.
func (s *suite) ok(t *testing.T, args ...string) devcluster.Result {
	t.Helper()
	ran := s.Run(t.Context(), args...)
	if ran.Code != 0 {
		t.Fatal(ran)
	}
	return ran
}

// says wants a text on stdout or stderr.
func says(t *testing.T, ran devcluster.Result, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(ran.Stdout+ran.Stderr, word) {
			t.Errorf("%q is not said: %s", word, ran)
		}
	}
}

// kinds are the objects in a namespace that originate may write, by name.
func (s *suite) kinds(t *testing.T, namespace string) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(s.objects(t, namespace)))
}

// From a Service to a proven connection and back; a second run changes nothing.
func TestOriginateService(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-svc"), "app")
	a.apply(t, "service")
	a.apply(t, "ca")
	before := s.kinds(t, a.namespace)
	args := []string{"originate", "svc/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host}

	first := s.ok(t, args...)
	says(t, first, "configmap/app-ca", "backendtlspolicy", "httproute", "created", "kubectl tlsgw verify")
	s.await(t, a.host, http.StatusOK)
	s.wantVerdict(t, a.namespace, "svc/app", "Verified")

	written := s.objects(t, a.namespace)
	second := s.ok(t, args...)
	says(t, second, "unchanged")
	if strings.Contains(second.Stdout, "created") || strings.Contains(second.Stdout, "configured") {
		t.Errorf("the second run changed something: %s", second)
	}
	if diff := cmp.Diff(written, s.objects(t, a.namespace)); diff != "" {
		t.Errorf("the second run changed objects (-before +after):\n%s", diff)
	}
	if same := s.Run(t.Context(), append(args, "--diff")...); same.Code != 0 {
		t.Errorf("--diff finds a difference where there is none: %s", same)
	}
	if other := s.Run(t.Context(), append(args, "--diff", "-l", "team=blue")...); other.Code != 1 || !strings.Contains(other.Stdout, "team") {
		t.Errorf("--diff does not show a label that would be added: %s", other)
	}

	removed := s.ok(t, "remove", "svc/app", "-n", a.namespace)
	says(t, removed, "app-tls-policy", "app-route")
	if diff := cmp.Diff(before, s.kinds(t, a.namespace)); diff != "" {
		t.Errorf("after remove (-before originate +after):\n%s", diff)
	}
	s.await(t, a.host, http.StatusNotFound)
	says(t, s.Run(t.Context(), "remove", "svc/app", "-n", a.namespace), "nothing")
	if n := a.Counts().Plaintext; n > 0 {
		t.Errorf("the backend got plaintext %d times", n)
	}
}

// A Service with several ports needs --port, which becomes the sectionName.
func TestOriginatePorts(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-ports"), "app")
	a.apply(t, "service-two-ports")
	a.apply(t, "ca")
	args := []string{"originate", "svc/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host}

	ambiguous := s.Run(t.Context(), args...)
	if ambiguous.Code == 0 {
		t.Errorf("two ports, and none was asked for: %s", ambiguous)
	}
	says(t, ambiguous, "--port", "https-admin")
	says(t, s.ok(t, append(args, "--port", "https-admin")...), "created")
	policy := ref(backendTLSPolicy, a.namespace, "app-https-admin-tls-policy")
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
		t.Fatal(err)
	}
	targets, _, err := unstructured.NestedSlice(policy.Object, "spec", "targetRefs")
	if err != nil || len(targets) != 1 || targets[0].(map[string]any)["sectionName"] != "https-admin" {
		t.Errorf("targetRefs are %v, %v; want one with the port's name", targets, err)
	}
	s.await(t, a.host, http.StatusOK)
	s.wantVerdict(t, a.namespace, "svc/app", "Verified")
	s.ok(t, "remove", "svc/app", "-n", a.namespace)
}

// For a Backend, with a CA that has to be copied, and that moves on later.
func TestOriginateBackend(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-backend"), "app")
	a.apply(t, "backend")
	a.apply(t, "ca-secret")
	before := s.kinds(t, a.namespace)
	says(t, s.ok(t, "originate", "backend/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host,
		"--ca-from", "secret/app-issuer:root.pem"), "secret/app-issuer", "app-ca")
	s.await(t, a.host, http.StatusOK)
	s.wantVerdict(t, a.namespace, "backend/app", "Verified")

	copied := &corev1.ConfigMap{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: a.namespace, Name: "app-ca"}, copied); err != nil {
		t.Fatal(err)
	}
	if source := copied.Annotations[contract.AnnotationCASource]; !strings.HasSuffix(strings.ToLower(source), "secret/app-issuer:root.pem") {
		t.Errorf("the copy says it came from %q", source)
	}
	// The source moves on: verify warns of the drift, and --sync ends it.
	other := pair(t)(s.certs.CA(pki.Spec{CommonName: "Next CA"}))
	a.apply(t, "ca-secret", "CA", text(slices.Concat(s.private.CertPEM(), other.CertPEM())))
	drifted := s.wantVerdict(t, a.namespace, "backend/app", "Verified")
	if !strings.Contains(strings.Join(drifted.Warnings, "\n"), "app-issuer") {
		t.Errorf("verify does not warn of the drift: %q", drifted.Warnings)
	}
	s.ok(t, "originate", "backend/app", "-n", a.namespace, "--sni", a.host, "--sync")
	if synced := s.wantVerdict(t, a.namespace, "backend/app", "Verified"); len(synced.Warnings) > 0 {
		t.Errorf("after --sync verify warns: %q", synced.Warnings)
	}
	s.ok(t, "remove", "backend/app", "-n", a.namespace)
	if diff := cmp.Diff(before, s.kinds(t, a.namespace)); diff != "" {
		t.Errorf("after remove (-before originate +after):\n%s", diff)
	}
}

// For a host outside of the cluster the Backend is made too.
func TestOriginateHost(t *testing.T) {
	t.Parallel()
	s := shared(t)
	namespace := s.namespace(t, "originate-host")
	const site, host = "site.originate.localhost", "host.originate.example"
	leaf := pair(t)(s.certs.Leaf(s.public, pki.Spec{CommonName: site, DNSNames: []string{site}}))
	a := s.appWith(t, namespace, "site", serve(leaf))
	target := "host/" + site + ":" + strconv.Itoa(int(a.Port()))

	made := s.ok(t, "originate", target, "-n", namespace, "--system-ca", "--expose", host, "--path-prefix", "/anything")
	says(t, made, "backend.gateway.kgateway.dev", "created")
	got := s.awaitPath(t, host, "/anything", http.StatusOK)
	if got.Backend.Host != site || got.Backend.SNI != site {
		t.Errorf("the backend saw %+v, want host and SNI %s", got.Backend, site)
	}
	s.await(t, host, http.StatusNotFound) // another path
	all, ran := s.verify(t, namespace)
	if ran.Code != 0 || len(all.Results) != 1 || all.Results[0].Target.Kind != "Backend" {
		t.Errorf("verify finds %+v: %s", all.Results, ran)
	}
	s.ok(t, "remove", target, "-n", namespace)
	if left := s.kinds(t, namespace); len(left) > 0 {
		t.Errorf("remove left %v", left)
	}
}

// What is printed, what is applied by hand and what originate applies are the
// same.
func TestOriginatePrinted(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-printed"), "app")
	a.apply(t, "service")
	a.apply(t, "ca")
	args := []string{"originate", "svc/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host}
	before := s.objects(t, a.namespace)

	printed := s.ok(t, append(args, "--dry-run=client", "-o", "yaml")...)
	asJSON := s.ok(t, append(args, "--dry-run=client", "-o", "json")...)
	if !json.Valid([]byte(asJSON.Stdout)) {
		t.Errorf("-o json does not print JSON: %s", asJSON)
	}
	names := s.ok(t, append(args, "--dry-run=server", "-o", "name")...)
	says(t, names, "backendtlspolicy.gateway.networking.k8s.io/app-tls-policy", "httproute.gateway.networking.k8s.io/app-route")
	if diff := cmp.Diff(before, s.objects(t, a.namespace)); diff != "" {
		t.Fatalf("a dry run wrote (-before +after):\n%s", diff)
	}

	objects, err := devcluster.Decode(printed.Stdout, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(t, objects...)
	byHand := comparable(s.objects(t, a.namespace))
	s.await(t, a.host, http.StatusOK)
	if err := s.Delete(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	s.ok(t, args...)
	if diff := cmp.Diff(byHand, comparable(s.objects(t, a.namespace))); diff != "" {
		t.Errorf("originate applies something else than it prints (-printed +applied):\n%s", diff)
	}
	s.ok(t, "remove", "svc/app", "-n", a.namespace)
}

// comparable leaves out what the API server sets anew for each object.
func comparable(objects map[string]any) map[string]any {
	for _, object := range objects {
		content := object.(map[string]any)
		for _, field := range []string{"uid", "creationTimestamp", "generation"} {
			unstructured.RemoveNestedField(content, "metadata", field)
		}
	}
	return objects
}

// One kind of policy takes the place of the other without a gap.
func TestOriginateOtherPolicy(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-config"), "app")
	a.apply(t, "service")
	a.apply(t, "ca")
	args := []string{"originate", "svc/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host}
	s.ok(t, append(args, "--policy", backendConfigPolicy)...)
	s.await(t, a.host, http.StatusOK)
	if got := s.wantVerdict(t, a.namespace, "svc/app", "Verified"); got.Policy == nil || got.Policy.Kind != backendConfigPolicy {
		t.Errorf("the policy is %+v", got.Policy)
	}
	// The other kind takes its place: never both on one target.
	s.ok(t, append(args, "--policy", backendTLSPolicy)...)
	s.await(t, a.host, http.StatusOK)
	if got := s.wantVerdict(t, a.namespace, "svc/app", "Verified"); got.Policy == nil || got.Policy.Kind != backendTLSPolicy {
		t.Errorf("the policy is %+v", got.Policy)
	}
	for _, name := range s.kinds(t, a.namespace) {
		if strings.HasPrefix(name, backendConfigPolicy) {
			t.Errorf("%s was left", name)
		}
	}
	s.ok(t, "remove", "svc/app", "-n", a.namespace)
	if n := a.Counts().Plaintext; n > 0 {
		t.Errorf("the backend got plaintext %d times", n)
	}
}

// A CA that is only in a file.
func TestOriginateFromFile(t *testing.T) {
	t.Parallel()
	s := shared(t)
	a := s.app(t, s.namespace(t, "originate-file"), "app")
	a.apply(t, "service")
	args := []string{"originate", "svc/app", "-n", a.namespace, "--sni", a.host, "--expose", a.host}
	before := s.kinds(t, a.namespace)

	// Nothing in the namespace verifies the backend: the chain is shown, with
	// the flag that would accept it.
	unknown := s.Run(t.Context(), args...)
	if unknown.Code != 1 {
		t.Errorf("nothing verifies the backend: %s", unknown)
	}
	says(t, unknown, "Private Test CA", "--ca-from")
	if diff := cmp.Diff(before, s.kinds(t, a.namespace)); diff != "" {
		t.Errorf("refused, and yet (-before +after):\n%s", diff)
	}
	file := s.file(t, "ca.pem", s.private.CertPEM())
	s.ok(t, append(args, "--ca-from", file)...)
	s.await(t, a.host, http.StatusOK)
	s.wantVerdict(t, a.namespace, "svc/app", "Verified")
	s.ok(t, "remove", "svc/app", "-n", a.namespace)
	if diff := cmp.Diff(before, s.kinds(t, a.namespace)); diff != "" {
		t.Errorf("after remove (-before originate +after):\n%s", diff)
	}
}
