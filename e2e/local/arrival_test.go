//go:build e2e

package local

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// rounds is how often what must never happen is given the chance.
const rounds = 20

// A Service, its policy and its route, applied in a row, are live within a
// second, without plaintext and without an error on the way.
func TestAppliedInARow(t *testing.T) {
	s := shared(t)
	namespace := s.namespace(t, "row")
	s.apply(t, s.appWith(t, namespace, "ca", nil).manifests(t, "ca", "CONFIGMAP", "ca")...)
	var took []time.Duration
	for round := range rounds {
		a := s.app(t, namespace, fmt.Sprintf("app-%d", round))
		a.values["CONFIGMAP"] = "ca"
		objects := slices.Concat(a.manifests(t, "service"), a.manifests(t, "policy"), a.manifests(t, "route"))
		took = append(took, s.arrival(t, a.host, objects))
		if n := a.Counts().Plaintext; n > 0 {
			t.Errorf("round %d: the backend got plaintext %d times", round+1, n)
		}
	}
	logTimes(t, "route applied to first 200", took)
	if slowest := slices.Max(took); slowest > measured {
		t.Errorf("the slowest first 200 came after %s, want less than %s", slowest, measured)
	}
}

// A new route answers 404 until it is there, and then 200: never anything
// else because it came before its cluster.
func TestNewRoute(t *testing.T) {
	s := shared(t)
	namespace := s.namespace(t, "routes")
	old := s.app(t, namespace, "old")
	old.start(t)
	var took []time.Duration
	for round := range rounds {
		if round%2 == 0 {
			name := fmt.Sprintf("new-%d", round)
			host := hostOf(namespace, name)
			took = append(took, s.arrival(t, host, old.manifests(t, "route", "ROUTE", name, "HOST", host)))
			continue
		}
		fresh := s.appWith(t, namespace, fmt.Sprintf("plain-%d", round), nil)
		took = append(took, s.arrival(t, fresh.host, slices.Concat(fresh.manifests(t, "service"), fresh.manifests(t, "route"))))
	}
	logTimes(t, "route applied to first 200", took)
}

// arrival applies objects, the route last, while it asks for the host,
// and returns how long after the route the first 200 came, without the time in
// which the machine let nobody run.
func (s *suite) arrival(t *testing.T, host string, objects []*unstructured.Unstructured) time.Duration {
	t.Helper()
	stream := traffic.Start(t.Context(), traffic.Request{URL: s.GatewayURL(), Host: host, Rate: trafficRate})
	flowing(t, stream, time.Now(), 1)
	s.apply(t, objects...)
	applied := time.Now()
	s.await(t, host, http.StatusOK)
	flowing(t, stream, time.Now(), 10)
	samples := stream.Stop()
	first := slices.IndexFunc(samples, traffic.Sample.OK)
	if first < 0 {
		t.Fatalf("no 200 for %s: %s", host, samples.Summary(applied))
	}
	for _, one := range samples {
		// One worker of Envoy may know the route while another does not yet.
		if one.Status != http.StatusOK && one.Status != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404 and then 200", host, one)
		}
	}
	return max(0, samples[first].Ended.Sub(applied)-samples.LongestPause())
}

func logTimes(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(took))
	t.Logf("%s: p50 %s, max %s of %d", what,
		sorted[len(sorted)/2].Round(time.Millisecond), sorted[len(sorted)-1].Round(time.Millisecond), len(sorted))
}

// A route and its policy, deleted in a row, as remove does: requests are
// answered until there is no route, and never go to the backend in plaintext.
func TestDeletedInARow(t *testing.T) {
	t.Parallel()
	s := shared(t)
	namespace := s.namespace(t, "away")
	s.apply(t, s.appWith(t, namespace, "ca", nil).manifests(t, "ca", "CONFIGMAP", "ca")...)
	for round := range rounds {
		a := s.app(t, namespace, fmt.Sprintf("app-%d", round))
		a.values["CONFIGMAP"] = "ca"
		s.apply(t, slices.Concat(a.manifests(t, "service"), a.manifests(t, "policy"), a.manifests(t, "route"))...)
		s.await(t, a.host, http.StatusOK)
		stream := s.stream(t, a.host)
		flowing(t, stream, time.Now(), 10)
		a.delete(t, "route")
		a.delete(t, "policy")
		s.await(t, a.host, http.StatusNotFound)
		for _, one := range stream.Stop() {
			if one.Status != http.StatusOK && one.Status != http.StatusNotFound {
				t.Errorf("round %d: got %s, want 200 and then 404", round+1, one)
			}
		}
		if n := a.Counts().Plaintext; n > 0 {
			t.Errorf("round %d: the backend got plaintext %d times", round+1, n)
		}
	}
}
