package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	// sharedManifest takes a port and the namespaces from which listeners come.
	sharedManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shared, namespace: infra}
spec:
  gatewayClassName: tlsgw
  allowedListeners: {namespaces: {from: %[2]s}}
  listeners:
  - {name: http, protocol: HTTP, port: %[1]d, hostname: infra.example}`

	// teamManifest takes a namespace, a port that is the Gateway's too, and one
	// of its own.
	teamManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set, namespace: %[1]s}
spec:
  parentRef: {name: shared, namespace: infra}
  listeners:
  - {name: wanted, protocol: HTTP, port: %[2]d, hostname: wanted.example}
  - {name: own, protocol: HTTP, port: %[3]d}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route, namespace: %[1]s}
spec:
  parentRefs: [{kind: ListenerSet, name: set}]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: %[1]s.example}}]}]`
)

// teams are two that bring listeners to one Gateway, with its proxy.
type teams struct {
	*cluster
	shared, first, second uint16
}

// TestListenerSets follows ListenerSets through their lives, with a real API
// server and a real Envoy.
func TestListenerSets(t *testing.T) {
	s := &teams{cluster: startCluster(t), shared: envoytest.FreePort(t), first: envoytest.FreePort(t), second: envoytest.FreePort(t)}
	s.run(t)
	for _, name := range []string{"infra", "first", "second"} {
		s.apply(t, namespaceManifest, name)
	}
	s.apply(t, sharedManifest, s.shared, "All")
	s.envoy(t, "infra", "shared")
	t.Run("the first serves what two want", s.conflict)
	t.Run("one that does not change is not written", s.unchanged)
	t.Run("the next takes over", s.takeover)
	t.Run("those that are not allowed serve nothing", s.notAllowed)
	t.Run("the status of one that leaves is taken back", s.leaves)
}

// redirected tells where a request is redirected, on a connection of its own.
func redirected(ctx context.Context, port uint16, host string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), http.NoBody)
	if err != nil {
		return "", err
	}
	request.Host = host
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	to, err := response.Location()
	if err != nil {
		return "", fmt.Errorf("%s on port %d: %s: %w", host, port, response.Status, err)
	}
	return to.Hostname(), nil
}

func (s *teams) leads(t *testing.T, port uint16, host, where string) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		got, err := redirected(t.Context(), port, host)
		if err == nil && got != where {
			err = fmt.Errorf("%s on port %d leads to %s, want %s", host, port, got, where)
		}
		return err
	})
}

// set waits until good is nil for a team's ListenerSet.
func (s *teams) set(t *testing.T, namespace string, good func(*gatewayv1.ListenerSet) error) *gatewayv1.ListenerSet {
	t.Helper()
	return eventually(t, s.cluster, &gatewayv1.ListenerSet{}, namespace, "set", good)
}

// attached waits until the Gateway counts n.
func (s *teams) attached(t *testing.T, n int32) {
	t.Helper()
	eventually(t, s.cluster, &gatewayv1.Gateway{}, "infra", "shared", func(o *gatewayv1.Gateway) error {
		if got := o.Status.AttachedListenerSets; got == nil || *got != n {
			return fmt.Errorf("attachedListenerSets is %v, want %d", got, n)
		}
		if len(o.Status.Listeners) != 1 {
			return fmt.Errorf("the Gateway has the status of %d listeners", len(o.Status.Listeners))
		}
		return programmed(o)
	})
}

// serves tells whether everything of a set is in order.
func serves(o *gatewayv1.ListenerSet) error {
	if err := isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed"); err != nil {
		return err
	}
	if len(o.Status.Listeners) != len(o.Spec.Listeners) {
		return fmt.Errorf("%d listeners have a status", len(o.Status.Listeners))
	}
	for _, l := range o.Status.Listeners {
		if err := isTrue(o.Generation, l.Conditions, "Accepted", "Programmed", "ResolvedRefs"); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		if l.AttachedRoutes != 1 {
			return fmt.Errorf("listener %s has %d routes", l.Name, l.AttachedRoutes)
		}
	}
	return nil
}

func (s *teams) conflict(t *testing.T) {
	s.apply(t, teamManifest, "first", s.shared, s.first)
	s.set(t, "first", serves)
	s.apply(t, teamManifest, "second", s.shared, s.second)
	s.set(t, "second", func(o *gatewayv1.ListenerSet) error {
		if err := isTrue(o.Generation, o.Status.Conditions, "Accepted", "Programmed"); err != nil || len(o.Status.Listeners) != 2 {
			return fmt.Errorf("%w: %d listeners", err, len(o.Status.Listeners))
		}
		taken := o.Status.Listeners[0].Conditions
		return errors.Join(
			isTrue(o.Generation, o.Status.Listeners[1].Conditions, "Accepted", "Programmed"),
			says(taken, "Accepted", metav1.ConditionFalse, "HostnameConflict", "another ListenerSet"),
			says(taken, "Programmed", metav1.ConditionFalse, "HostnameConflict"),
			says(taken, "Conflicted", metav1.ConditionTrue, "HostnameConflict"),
		)
	})
	s.attached(t, 2)
	s.leads(t, s.shared, "wanted.example", "first.example")
	s.leads(t, s.first, "anything.example", "first.example")
	s.leads(t, s.second, "anything.example", "second.example")
	expect(t, s.shared, "infra.example", http.StatusNotFound)
	if err := serves(fetch(t, s.cluster, &gatewayv1.ListenerSet{}, "first", "set")); err != nil {
		t.Errorf("the first lost something: %v", err)
	}
}

func (s *teams) unchanged(t *testing.T) {
	before := fetch(t, s.cluster, &gatewayv1.ListenerSet{}, "first", "set").ResourceVersion
	s.apply(t, sharedManifest+"\n  - {name: more, protocol: HTTP, port: %[3]d}", s.shared, "All", envoytest.FreePort(t))
	eventually(t, s.cluster, &gatewayv1.Gateway{}, "infra", "shared", func(o *gatewayv1.Gateway) error {
		if len(o.Status.Listeners) != 2 {
			return fmt.Errorf("%d listeners have a status", len(o.Status.Listeners))
		}
		return programmed(o)
	})
	s.apply(t, sharedManifest, s.shared, "All")
	s.attached(t, 2)
	if after := fetch(t, s.cluster, &gatewayv1.ListenerSet{}, "first", "set").ResourceVersion; after != before {
		t.Error("the status was written, though only the Gateway changed")
	}
}

// takeover: no request fails while the hostname changes hands.
func (s *teams) takeover(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for ctx.Err() == nil {
			if to, err := redirected(ctx, s.shared, "wanted.example"); ctx.Err() == nil && (err != nil || to != "first.example" && to != "second.example") {
				failed <- fmt.Errorf("led to %q: %w", to, err)
				return
			}
		}
	}()
	if err := s.Delete(t.Context(), fetch(t, s.cluster, &gatewayv1.ListenerSet{}, "first", "set")); err != nil {
		t.Fatal(err)
	}
	s.set(t, "second", serves)
	s.leads(t, s.shared, "wanted.example", "second.example")
	stop()
	if err := <-failed; err != nil {
		t.Errorf("a request failed: %v", err)
	}
	s.attached(t, 1)
	s.isClosed(t, s.first)
}

func (s *teams) isClosed(t *testing.T, port uint16) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if _, err := redirected(t.Context(), port, "anything.example"); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("port %d is still open: %w", port, err)
		}
		return nil
	})
}

func (s *teams) notAllowed(t *testing.T) {
	s.apply(t, sharedManifest, s.shared, "Same")
	s.set(t, "second", func(o *gatewayv1.ListenerSet) error {
		if len(o.Status.Listeners) > 0 {
			return fmt.Errorf("listeners still have a status: %+v", o.Status.Listeners)
		}
		return errors.Join(
			says(o.Status.Conditions, "Accepted", metav1.ConditionFalse, "NotAllowed", "infra/shared"),
			says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "NotAllowed"),
		)
	})
	eventually(t, s.cluster, &gatewayv1.HTTPRoute{}, "second", "route", func(o *gatewayv1.HTTPRoute) error {
		return says(ofParent(o), "Accepted", metav1.ConditionFalse, "NoMatchingParent", "ListenerSet second/set")
	})
	s.attached(t, 0)
	s.isClosed(t, s.second)
	expect(t, s.shared, "wanted.example", http.StatusNotFound)
	s.apply(t, sharedManifest, s.shared, "All")
	s.set(t, "second", serves)
	s.leads(t, s.second, "anything.example", "second.example")
}

func (s *teams) leaves(t *testing.T) {
	set := fetch(t, s.cluster, &gatewayv1.ListenerSet{}, "second", "set")
	set.Spec.ParentRef.Name = "of-somebody-else"
	if err := s.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	s.set(t, "second", func(o *gatewayv1.ListenerSet) error {
		for _, c := range o.Status.Conditions {
			if c.Status != metav1.ConditionUnknown { // What is left is the default of the API.
				return fmt.Errorf("status is still %+v", o.Status)
			}
		}
		if len(o.Status.Listeners) > 0 {
			return fmt.Errorf("status is still %+v", o.Status)
		}
		return nil
	})
	eventually(t, s.cluster, &gatewayv1.HTTPRoute{}, "second", "route", func(o *gatewayv1.HTTPRoute) error {
		if len(o.Status.Parents) > 0 {
			return fmt.Errorf("status is still %+v", o.Status)
		}
		return nil
	})
	s.attached(t, 0)
	s.isClosed(t, s.second)
}
