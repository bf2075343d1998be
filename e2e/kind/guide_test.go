//go:build e2e

package kind

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

const (
	policyName = "nginx-tls-policy"
	// handshakes and versions are the statistics that the guide names.
	handshakes = "cluster.kube_default_nginx_8443.ssl.handshake"
	versions   = "cluster.kube_default_nginx_8443.ssl.versions."
)

// sampleCA is what dev-up made to verify the sample with.
func (s *suite) sampleCA(t *testing.T) string {
	t.Helper()
	var bundle struct{ Data map[string]string }
	s.object(t, &bundle, "configmap", "nginx-ca")
	return bundle.Data[contract.CAKey]
}

// applyCA applies the ConfigMap or the Secret of the guide with the sample's
// CA in place of the guide's, which has expired.
func (s *suite) applyCA(t *testing.T, name, field string) {
	t.Helper()
	objects, err := devcluster.Manifests(filepath.Join(guideDir, name+".yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := unstructured.SetNestedField(object.Object, s.sampleCA(t)+"\n", field, contract.CAKey); err != nil {
			t.Fatal(err)
		}
	}
	s.applyObjects(t, objects...)
}

// TestGuideInCluster walks through the guide's in-cluster part, by its own
// commands.
func TestGuideInCluster(t *testing.T) {
	s := shared(t)
	running := s.command(t, "kubectl get pods -l app.kubernetes.io/name=nginx")
	if !strings.Contains(running, "nginx") || !strings.Contains(running, "Running") {
		t.Errorf("the guide wants to see the NGINX server run, and sees\n%s", running)
	}
	before := s.names(t, "secrets,configmaps,services,deployments")

	t.Run("BackendConfigPolicy", func(t *testing.T) {
		s.applyCA(t, "ca-secret", "stringData")
		s.guideWorks(t, "BackendConfigPolicy", "Valid")
		s.command(t, "kubectl delete backendconfigpolicy,secret,httproute -A -l app=nginx")
		s.wantClean(t, before)
	})
	t.Run("BackendTLSPolicy", func(t *testing.T) {
		s.applyCA(t, "ca-configmap", "data")
		s.guideWorks(t, "BackendTLSPolicy", "Accepted")
		s.command(t, "kubectl delete backendtlspolicy,configmap,httproute -A -l app=nginx")
		// The guide's ConfigMap has no such label.
		s.wantClean(t, append(slices.Clone(before), "ConfigMap default/ca"))
	})
	t.Run("Both", func(t *testing.T) {
		s.applyCA(t, "ca-configmap", "data")
		s.applyCA(t, "ca-secret", "stringData")
		s.applyGuide(t, "backendtlspolicy", "backendconfigpolicy", "httproute")
		s.await(t, soon, guideHost, "/", http.StatusOK)
		message := s.awaitCondition(t, ancestors, "Attached", "False", "Overridden", "backendconfigpolicy", policyName)
		if !strings.Contains(message, "BackendTLSPolicy") {
			t.Errorf("the overridden policy does not say by whom: %q", message)
		}
	})
	t.Run("ExpiredCA", func(t *testing.T) {
		s.applyGuide(t, "ca-secret", "backendconfigpolicy", "httproute")
		s.await(t, soon, guideHost, "/", http.StatusInternalServerError)
		if got := s.wantVerdict(t, "svc/nginx", "CAExpired"); !strings.Contains(got.Message, "2026-07-07") {
			t.Errorf("the message does not name the date: %q", got.Message)
		}
	})
	t.Run("EscapedCA", func(t *testing.T) {
		s.applyGuide(t, "ca-configmap", "backendtlspolicy", "httproute")
		s.await(t, soon, guideHost, "/", http.StatusInternalServerError)
		if got := s.wantVerdict(t, "svc/nginx", "CAMalformed"); !strings.Contains(got.Message, "HTML-escaped") {
			t.Errorf("the message does not say that the CA is HTML-escaped: %q", got.Message)
		}
	})
}

// guideWorks holds what the guide says of a policy, which is to be applied:
// 200, and the statistics grow.
func (s *suite) guideWorks(t *testing.T, kind, reason string) {
	t.Helper()
	s.oneProxy(t)
	admin := s.forwardTo(t, contract.DevGatewayNamespace, "deploy/http", "19000")
	// Envoy counts from zero again once a cluster has gone, a moment after the
	// last route to it.
	var before map[string]uint64
	poll.Until(t, slow, "no cluster of the test before", func() (bool, string) {
		before = s.guideStats(t, admin)
		return len(before) == 0, fmt.Sprint(before)
	})
	s.applyGuide(t, strings.ToLower(kind), "httproute")
	s.awaitCondition(t, ancestors, "Accepted", "True", reason, strings.ToLower(kind), policyName)
	s.await(t, soon, guideHost, "/", http.StatusOK)
	direct := s.forwardTo(t, contract.DevGatewayNamespace, "deployment/http", ":8080")
	awaitURL(t, soon, direct.url+"/", guideHost, http.StatusOK)
	after := s.guideStats(t, admin)
	if after[handshakes] <= before[handshakes] {
		t.Errorf("%s was %d and is %d: it has to grow", handshakes, before[handshakes], after[handshakes])
	}
	grown := false
	for name, value := range after {
		grown = grown || strings.HasPrefix(name, versions+"TLSv1.") && value > before[name]
	}
	if !grown {
		t.Errorf("no %s* has grown: it was %v and is %v", versions, before, after)
	}
	got := s.wantVerdict(t, strings.ToLower(kind)+"/"+policyName, "Verified")
	if got.Handshakes.Before < after[handshakes] || got.Policy == nil || got.Policy.Kind != kind || got.Cluster != "kube_default_nginx_8443" {
		t.Errorf("verify tells another story than Envoy, which counted %d for %s: %+v", after[handshakes], kind, got)
	}
}

func (s *suite) guideStats(t *testing.T, admin forward) map[string]uint64 {
	t.Helper()
	found, err := admin.stats(t.Context(), `^cluster\.kube_default_nginx_8443\.ssl\.(handshake|versions\..*)$`)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantClean wants the guide's objects gone, and nothing else: its selectors
// must not hit what belongs to the gateway or to the sample.
func (s *suite) wantClean(t *testing.T, want []string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, s.names(t, "secrets,configmaps,services,deployments")); diff != "" {
		t.Errorf("after the guide's cleanup (-before the guide +now):\n%s", diff)
	}
	if left := s.names(t, "backendtlspolicies,backendconfigpolicies,httproutes"); len(left) > 0 {
		t.Errorf("the guide's cleanup leaves %v", left)
	}
	s.await(t, soon, guideHost, "/", http.StatusNotFound)
}

// again is how soon a policy that was deleted and created again is live, but
// for the time in which the machine let nobody run.
const again = time.Second

// TestGuidePolicyAgain: a policy that was deleted comes back without a restart
// of the control plane, which the guide still asks for.
func TestGuidePolicyAgain(t *testing.T) {
	s := shared(t)
	s.applyCA(t, "ca-configmap", "data")
	s.applyGuide(t, "backendtlspolicy", "httproute")
	s.await(t, soon, guideHost, "/", http.StatusOK)
	const controllers = "jsonpath={.items[*].metadata.uid} {.items[*].status.containerStatuses[*].restartCount}"
	before := s.kubectl(t, "get", "pods", "-n", contract.SystemNamespace, "-o", controllers)
	stream := traffic.Start(t.Context(), traffic.Request{URL: s.url("/"), Host: guideHost, Rate: streamRate})
	t.Cleanup(func() { stream.Stop() })

	for round := range 2 {
		s.command(t, "kubectl delete backendtlspolicy nginx-tls-policy")
		// Without a policy plaintext is right, which nginx answers with 400.
		awaitURL(t, soon, s.url("/"), guideHost, http.StatusBadRequest)
		s.kubectl(t, "apply", "-f", mustAbs(t, filepath.Join(guideDir, "backendtlspolicy.yaml")))
		applied := time.Now()
		poll.Until(t, soon, "answers with the policy", func() (bool, string) {
			after := stream.Samples().After(applied)
			return len(after.After(applied.Add(again+after.LongestPause()))) > streamRate, after.Summary(applied)
		})
		after := stream.Samples().After(applied)
		allowed := again + after.LongestPause()
		t.Logf("round %d: %s", round+1, after.Summary(applied))
		if late := after.After(applied.Add(allowed)).Failed(); len(late) > 0 {
			t.Errorf("round %d: failures later than %s after the policy: %s", round+1, allowed, late.Summary(applied))
		}
	}
	for _, one := range stream.Stop() {
		if one.Status != http.StatusOK && one.Status != http.StatusBadRequest {
			t.Errorf("got %s, want 200 with the policy and the backend's own 400 without", one)
		}
	}
	if after := s.kubectl(t, "get", "pods", "-n", contract.SystemNamespace, "-o", controllers); after != before {
		t.Errorf("the controllers were %s and are %s: nothing may be restarted", before, after)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}

// TestGuideDeletesTheSample: the guide's cleanup deletes the NGINX server too;
// dev-up brings it back.
func TestGuideDeletesTheSample(t *testing.T) {
	s := shared(t)
	s.cleanup(t, func(ctx context.Context) {
		if _, err := s.Up(ctx); err != nil {
			t.Error(err)
		}
	})
	s.kubectl(t, "delete", "deployment,service,secret,configmap", "-l", "app.kubernetes.io/name=nginx")
	if _, err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.originated(t)
	s.wantVerdict(t, "svc/nginx", "Verified")
}
