//go:build e2e

package local

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// measured is the limit for what has to be live within a second; the time in
// which the machine let nobody run does not count.
const measured = time.Second

// steady is how many answers show that a state stays as it is.
const steady = 40

// A deleted policy that comes back is live within a second, and nothing is
// restarted for it. Between the two there is no policy, so plaintext is right.
func TestPolicyDeletedAndCreatedAgain(t *testing.T) {
	s := shared(t)
	a := s.app(t, s.namespace(t, "again"), "app")
	a.start(t)
	before := s.pids(t)
	stream := s.stream(t, a.host)
	flowing(t, stream, time.Now(), steady)

	for round := range 3 {
		deleted := time.Now()
		a.delete(t, "policy")
		poll.Until(t, soon, "plaintext without a policy", func() (bool, string) {
			return lastStatus(stream, deleted) == 400, stream.Samples().After(deleted).Summary(deleted)
		})
		gone := time.Now()
		flowing(t, stream, gone, steady)
		a.apply(t, "policy")
		created := time.Now()
		poll.Until(t, soon, "200 with the policy", func() (bool, string) {
			return lastStatus(stream, created) == 200, stream.Samples().After(created).Summary(created)
		})
		flowing(t, stream, time.Now(), steady)

		after := stream.Samples().After(created)
		first := after[slices.IndexFunc(after, traffic.Sample.OK)]
		allowed := measured + after.LongestPause()
		took := first.Ended.Sub(created)
		t.Logf("round %d: first 200 %s after create", round+1, took.Round(time.Millisecond))
		if took > allowed {
			t.Errorf("round %d: the first 200 came %s after the policy, want less than %s", round+1, took, allowed)
		}
		if late := after.After(created.Add(allowed)).Failed(); len(late) > 0 {
			t.Errorf("round %d: failures later than %s after the policy: %s", round+1, allowed, late.Summary(created))
		}
	}
	for _, one := range stream.Stop() {
		if one.Status != 200 && one.Status != 400 {
			t.Errorf("got %s, want 200 with the policy and the backend's own 400 without", one)
		}
	}
	if after := s.pids(t); after != before {
		t.Errorf("processes were %s and are %s: nothing may be restarted", before, after)
	}
}

// lastStatus is that of the latest answer to a request that began after a
// moment; 0 when there is none.
func lastStatus(stream *traffic.Stream, since time.Time) int {
	answered := stream.Samples().After(since)
	if len(answered) == 0 {
		return 0
	}
	return answered[len(answered)-1].Status
}

// pids are the processes of Envoy and the controller.
func (s *suite) pids(t *testing.T) string {
	t.Helper()
	parts, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"envoy", "controller"} {
		if parts[name].PID == 0 {
			t.Fatalf("no process %q among %v", name, parts)
		}
	}
	return fmt.Sprintf("envoy %d, controller %d", parts["envoy"].PID, parts["controller"].PID)
}

// Changes from one good state to another fail no request.
func TestPolicyChanged(t *testing.T) {
	s := shared(t)
	namespace := s.namespace(t, "changed")
	other := "other." + hostOf(namespace, "app")
	a := s.appWith(t, namespace, "app", s.leaf(t, hostOf(namespace, "app"), other))
	a.start(t)
	began := time.Now()
	stream := s.stream(t, a.host)
	flowing(t, stream, began, steady)

	step := func(what string, wantSNI string, change func()) {
		t.Helper()
		changed := time.Now()
		change()
		poll.Until(t, soon, what, func() (bool, string) {
			got, err := s.get(t.Context(), a.host, "/")
			return err == nil && got.Backend.SNI == wantSNI, fmt.Sprint(got, err)
		})
		flowing(t, stream, changed, steady)
	}
	for range 3 {
		step("the other name", other, func() { a.apply(t, "policy", "SNI", other) })
		step("the first name", a.host, func() { a.apply(t, "policy") })
	}
	step("another CA ref", other, func() {
		a.apply(t, "ca", "CONFIGMAP", "second")
		a.apply(t, "policy", "CONFIGMAP", "second", "SNI", other)
	})
	samples := stream.Stop()
	t.Logf("%s", samples.Summary(began))
	if failed := samples.Failed(); len(failed) > 0 {
		t.Errorf("requests failed: %s", failed.Summary(began))
	}
	if n := a.Counts().Plaintext; n > 0 {
		t.Errorf("the backend got plaintext %d times", n)
	}
}

// A policy that is broken gives 500, and never plaintext.
func TestPolicyBroken(t *testing.T) {
	s := shared(t)
	a := s.app(t, s.namespace(t, "broken"), "app")
	a.start(t)
	began := time.Now()
	stream := s.stream(t, a.host)
	flowing(t, stream, began, steady)

	until := func(status int) {
		t.Helper()
		changed := time.Now()
		poll.Until(t, soon, fmt.Sprint(status), func() (bool, string) {
			return lastStatus(stream, changed) == status, stream.Samples().After(changed).Summary(changed)
		})
		// Envoy's workers take up a change one after the other.
		s.await(t, a.host, status)
		settled := time.Now()
		flowing(t, stream, settled, steady)
		for _, one := range stream.Samples().After(settled.Add(100 * time.Millisecond)) {
			if one.Status != status {
				t.Errorf("got %s, want only %d by now", one, status)
			}
		}
	}
	reason := func(reason gatewayv1.PolicyConditionReason) {
		t.Helper()
		s.awaitCondition(t, backendTLSPolicy, a.namespace, a.name, "Accepted", metav1.ConditionFalse, string(reason))
	}
	a.apply(t, "policy", "CONFIGMAP", "missing")
	until(500)
	reason(gatewayv1.BackendTLSPolicyReasonNoValidCACertificate)
	a.apply(t, "policy")
	until(200)
	a.apply(t, "ca", "CA", text([]byte("-----BEGIN CERTIFICATE-----\nnot base64 !\n-----END CERTIFICATE-----\n")))
	until(500)
	reason(gatewayv1.BackendTLSPolicyReasonNoValidCACertificate)
	a.apply(t, "ca")
	until(200)
	a.delete(t, "ca")
	until(500)
	a.apply(t, "ca")
	until(200)

	samples := stream.Stop()
	t.Logf("%s", samples.Summary(began))
	for _, one := range samples {
		if one.Status != 200 && one.Status != 500 {
			t.Errorf("got %s, want 200 or 500", one)
		}
	}
	if n := a.Counts().Plaintext; n > 0 {
		t.Errorf("the backend got plaintext %d times", n)
	}
}
