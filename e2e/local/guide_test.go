//go:build e2e

package local

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// guide reads a manifest of the guide.
func guide(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	objects, err := devcluster.Manifests(filepath.Join("..", "guide", name+".yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 1 {
		t.Fatalf("%s has %d objects, want 1", name, len(objects))
	}
	return objects[0]
}

// set changes one field of an object.
func set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) *unstructured.Unstructured {
	t.Helper()
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
	return object
}

// guideHost is the Host header of the guide's curl command.
const guideHost = "example.com:8080"

// TestGuideInCluster walks through the guide's in-cluster part.
func TestGuideInCluster(t *testing.T) {
	s := shared(t)
	sample := &corev1.ConfigMap{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "nginx-ca"}, sample); err != nil {
		t.Fatal(err)
	}
	ca := sample.Data["ca.crt"]
	s.apply(t, guide(t, "httproute"))

	t.Run("BackendTLSPolicy", func(t *testing.T) {
		s.apply(t, set(t, guide(t, "ca-configmap"), ca, "data", "ca.crt"), guide(t, "backendtlspolicy"))
		s.guideAnswers(t, backendTLSPolicy)
	})
	t.Run("BackendConfigPolicy", func(t *testing.T) {
		s.apply(t, set(t, guide(t, "ca-secret"), ca, "stringData", "ca.crt"), guide(t, "backendconfigpolicy"))
		s.guideAnswers(t, backendConfigPolicy)
	})
	t.Run("Both", func(t *testing.T) {
		s.apply(t, set(t, guide(t, "ca-configmap"), ca, "data", "ca.crt"), guide(t, "backendtlspolicy"),
			set(t, guide(t, "ca-secret"), ca, "stringData", "ca.crt"), guide(t, "backendconfigpolicy"))
		s.guideAnswers(t, backendTLSPolicy)
		message := s.awaitCondition(t, backendConfigPolicy, "default", "nginx-tls-policy", "Attached", metav1.ConditionFalse, "Overridden")
		if !strings.Contains(message, backendTLSPolicy) || !strings.Contains(message, "nginx-tls-policy") {
			t.Errorf("the overridden policy does not say by whom: %q", message)
		}
	})
	t.Run("ExpiredCA", func(t *testing.T) {
		s.apply(t, guide(t, "ca-secret"), guide(t, "backendconfigpolicy"))
		s.await(t, guideHost, http.StatusInternalServerError)
		got := s.wantVerdict(t, "default", "svc/nginx", "CAExpired")
		if !strings.Contains(got.Message, "2026-07-07") {
			t.Errorf("the message does not name the date: %q", got.Message)
		}
	})
	t.Run("EscapedCA", func(t *testing.T) {
		s.apply(t, guide(t, "ca-configmap"), guide(t, "backendtlspolicy"))
		s.await(t, guideHost, http.StatusInternalServerError)
		got := s.wantVerdict(t, "default", "svc/nginx", "CAMalformed")
		if !strings.Contains(got.Message, "HTML-escaped") || !strings.Contains(got.Message, "configmap/ca") {
			t.Errorf("the message does not say that configmap/ca is HTML-escaped: %q", got.Message)
		}
		refused := s.Run(t.Context(), "originate", "svc/nginx", "--sni", "example.com", "--ca-from", "configmap/ca")
		if refused.Code != 1 || !strings.Contains(refused.Stderr, "HTML-escaped") || !strings.Contains(refused.Stderr, "2026-07-07") {
			t.Errorf("originate does not say that the CA is HTML-escaped and that the repaired one has expired: %s", refused)
		}
	})
}

// guideAnswers holds what the guide says of a policy that works: 200, and the
// handshake counter grows.
func (s *suite) guideAnswers(t *testing.T, kind string) {
	t.Helper()
	s.awaitCondition(t, kind, "default", "nginx-tls-policy", "Accepted", metav1.ConditionTrue, acceptedReason(kind))
	s.await(t, guideHost, http.StatusOK)
	const handshakes = "cluster.kube_default_nginx_8443.ssl.handshake"
	stats, err := s.Stats(t.Context(), `^cluster\.kube_default_nginx_8443\.ssl\.handshake$`)
	if err != nil {
		t.Fatal(err)
	}
	before, ok := stats[handshakes]
	if !ok || before == 0 {
		t.Errorf("Envoy counts no %s: %v", handshakes, stats)
	}
	got := s.wantVerdict(t, "default", strings.ToLower(kind)+"/nginx-tls-policy", "Verified")
	if got.Handshakes.Before < before || got.Policy == nil || got.Policy.Kind != kind || got.Cluster != "kube_default_nginx_8443" {
		t.Errorf("verify tells another story than Envoy, which counted %d for %s: %+v", before, kind, got)
	}
}

func acceptedReason(kind string) string {
	if kind == backendConfigPolicy {
		return "Valid"
	}
	return "Accepted"
}

// TestGuideExternal walks through the guide's external part, with a stand-in
// for httpbin.org whose CA is in the bundle that this Envoy takes as that of
// its system.
func TestGuideExternal(t *testing.T) {
	s := shared(t)
	const site, host = "httpbin.org", "httpbin-external.example"
	leaf := pair(t)(s.certs.Leaf(s.public, pki.Spec{CommonName: site, DNSNames: []string{site}}))
	standIn, err := backend.Listen(context.WithoutCancel(t.Context()), backend.Options{Name: site, TLS: serve(leaf)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standIn.Close() })
	external := guide(t, "external-backend")
	set(t, external, []any{map[string]any{"host": "httpbin-org.localhost", "port": int64(standIn.Port())}}, "spec", "static", "hosts")
	s.apply(t, external, guide(t, "external-httproute"))

	for _, kind := range []string{backendTLSPolicy, backendConfigPolicy} {
		t.Run(kind, func(t *testing.T) {
			s.apply(t, guide(t, "external-"+strings.ToLower(kind)))
			s.awaitCondition(t, kind, "default", "httpbin-org", "Accepted", metav1.ConditionTrue, acceptedReason(kind))
			got := s.awaitPath(t, host, "/anything", http.StatusOK)
			want := backend.Answer{Name: site, Host: site, Path: "/anything", SNI: site, Version: got.Backend.Version}
			if got.Backend != want {
				t.Errorf("the backend saw %+v, want %+v", got.Backend, want)
			}
			s.wantVerdict(t, "default", "backend/httpbin-org", "Verified")
		})
	}
	if counts := standIn.Counts(); counts.Handshakes == 0 {
		t.Errorf("the backend counts %+v", counts)
	}
	if got := standIn.SNIs(); strings.Join(got, " ") != site {
		t.Errorf("clients asked for %q, want only %s", got, site)
	}
}
