package controlplane_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

const (
	// deployedManifest is a Gateway whose Service gets an address without a
	// load balancer.
	deployedManifest = `
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayParameters
metadata: {name: internal, namespace: %[1]s}
spec: {kube: {service: {type: ClusterIP}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: %[1]s}
spec:
  gatewayClassName: tlsgw
  infrastructure: {parametersRef: {group: gateway.kgateway.dev, kind: GatewayParameters, name: internal}}
  listeners:
  - {name: http, protocol: HTTP, port: %[2]d, allowedRoutes: {namespaces: {from: All}}}`

	missingFile  = "/etc/ssl/certs/tlsgw-does-not-exist.crt"
	proxiesOfOne = `tlsgw_gateway_proxies{name="http",namespace="infra"}`
)

// replicas are several controllers and one proxy.
type replicas struct {
	*cluster
	service *service
	backend *envoytest.Backend
	trust   *envoytest.CA
	port    uint16
	envoy   *envoytest.Envoy
	traffic *load
	flaps   *flaps

	first, second, third *process
}

// TestReplicas runs several controllers against one real API server, and a
// real Envoy from what they deploy. Its parts share them, in this order.
func TestReplicas(t *testing.T) {
	c := startCluster(t)
	installed, err := templates.Controller(templates.ControllerValues{Image: "example.com/controller"})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range installed {
		applied := client.ApplyConfigurationFromUnstructured(object.(*unstructured.Unstructured))
		if err := c.Apply(t.Context(), applied, client.FieldOwner("test"), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s: %v", object.GetName(), err)
		}
	}
	r := &replicas{cluster: c, service: newService(t), trust: envoytest.NewCA(t, "backends"), port: envoytest.FreePort(t)}
	r.backend = envoytest.StartBackend(t, "backend", r.trust.Issue(t, []string{"example.com"}, nil))
	r.traffic = &load{failed: map[string]int{}}
	t.Run("a replica is ready when it can serve", r.readiness)
	t.Run("a proxy of a follower is in the statuses", r.follower)
	t.Run("what a proxy of a follower rejects is in the statuses", r.rejection)
	t.Run("the leader dies", r.leaderDies)
	t.Run("a replica drains", r.drains)
	t.Run("a report of a dead replica expires", r.expires)
	r.traffic.stop(t)
	r.flaps.stop(t)
}

func (r *replicas) readiness(t *testing.T) {
	// The replicas must outlive this part.
	outer := r.service.t
	var caches, authority func()
	r.first = r.replica(outer, "first", r.service, func(p *process) {
		caches = p.wire.hold("/v1/backendtlspolicies")
		authority = p.wire.hold("/namespaces/" + contract.SystemNamespace + "/secrets")
	})
	says := func(path string, code int, part string) {
		t.Helper()
		envoytest.Eventually(t, patient, func() error {
			got, body, err := get(t, "http://"+r.first.health+path, "")
			if err == nil && (got != code || !strings.Contains(body, part)) {
				err = fmt.Errorf("%s: %d %q, want %d %q", path, got, body, code, part)
			}
			return err
		})
	}
	says("/readyz", http.StatusServiceUnavailable, "caches")
	says("/healthz", http.StatusOK, "")
	caches()
	says("/readyz", http.StatusServiceUnavailable, "CA")
	authority()
	says("/readyz", http.StatusOK, "")
	r.first.waitMetric(t, "tlsgw_leader", 1)
	r.second = r.replica(outer, "second", r.service)
	r.second.waitReady(t)
}

func (r *replicas) follower(t *testing.T) {
	outer := r.service.t
	r.service.prefer(r.second)
	r.apply(t, namespaceManifest+"\n---\n"+deployedManifest, "infra", r.port)
	r.apply(t, namespaceManifest+"\n---\n"+caManifest, "all", string(r.trust.PEM))
	r.apply(t, backendManifest, "all", "one", r.backend.Port)
	r.apply(t, policyManifest, "all", "one")
	r.apply(t, routeManifest, "all", "one", "infra")
	r.envoy = r.kubelet(outer, "infra", "http")
	eventually(t, r.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		if len(o.Status.Addresses) != 1 {
			return fmt.Errorf("addresses: %+v", o.Status.Addresses)
		}
		return programmed(o)
	})
	expect(t, r.port, "one.all.example", http.StatusOK)
	if n := r.second.metric(t, "tlsgw_xds_connected_proxies"); n != 1 {
		t.Errorf("%v proxies are connected to the follower", n)
	}
	if n := r.first.metric(t, "tlsgw_xds_connected_proxies"); n != 0 {
		t.Errorf("%v proxies are connected to the leader", n)
	}
	if n := r.second.metric(t, `tlsgw_status_writes_total{kind="Gateway",result="success"}`); n != 0 {
		t.Errorf("the follower has written %v statuses", n)
	}
	r.first.waitMetric(t, proxiesOfOne, 1)
	r.flaps = r.watch(outer)
	r.traffic.start(outer, func(int64) (int, string, error) {
		return get(outer, fmt.Sprintf("http://127.0.0.1:%d/", r.port), "one.all.example")
	})
}

func (r *replicas) rejection(t *testing.T) {
	r.apply(t, backendManifest, "all", "bad", r.backend.Port)
	r.apply(t, routeManifest, "all", "bad", "infra")
	expect(t, r.port, "bad.all.example", http.StatusOK)
	began := time.Now()
	r.apply(t, configPolicyManifest, "all", "bad", missingFile)
	eventually(t, r.cluster, &v1alpha1.BackendConfigPolicy{}, "all", "bad", func(o *v1alpha1.BackendConfigPolicy) error {
		return says(ofAncestor(o.Status), "Accepted", metav1.ConditionFalse, "Invalid", "Envoy rejected: ", missingFile)
	})
	t.Logf("what Envoy rejected was in the status after %s", time.Since(began).Round(time.Millisecond))
	eventually(t, r.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		return says(o.Status.Conditions, "Programmed", metav1.ConditionFalse, "Invalid", missingFile)
	})
	began = time.Now()
	if err := r.Delete(t.Context(), &v1alpha1.BackendConfigPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "all", Name: "bad"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, r.cluster, &gatewayv1.Gateway{}, "infra", "http", programmed)
	t.Logf("that it rejects nothing any more was in the status after %s", time.Since(began).Round(time.Millisecond))
	r.flaps.reset()
}

func (r *replicas) leaderDies(t *testing.T) {
	r.first.kill(r.service)
	r.second.waitMetric(t, "tlsgw_leader", 1)
	r.apply(t, backendManifest, "all", "two", r.backend.Port)
	r.apply(t, policyManifest, "all", "two")
	r.apply(t, routeManifest, "all", "two", "infra")
	eventually(t, r.cluster, &gatewayv1.HTTPRoute{}, "all", "two", func(o *gatewayv1.HTTPRoute) error {
		return isTrue(o.Generation, ofParent(o), "Accepted")
	})
	expect(t, r.port, "two.all.example", http.StatusOK)
	if r.first.metric(t, "tlsgw_leader") != 0 {
		t.Error("the dead leader leads")
	}
	r.flaps.none(t)
	r.traffic.none(t)
}

// drains ends the leader that the proxy is connected to.
func (r *replicas) drains(t *testing.T) {
	outer := r.service.t
	r.third = r.replica(outer, "third", r.service)
	r.third.waitReady(t)
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.second.stop()
	}()
	envoytest.Eventually(t, patient, func() error {
		if err := ready(t, r.second.health); err == nil || !strings.Contains(err.Error(), "ends") {
			return fmt.Errorf("a replica that ends says: %w", err)
		}
		return nil
	})
	<-ended
	t.Logf("the drain took %s", time.Since(began).Round(time.Millisecond))
	r.third.waitMetric(t, "tlsgw_leader", 1)
	r.third.waitMetric(t, proxiesOfOne, 1)
	r.third.waitMetric(t, "tlsgw_xds_connected_proxies", 1)
	r.apply(t, routeManifest, "all", "late", "infra")
	eventually(t, r.cluster, &gatewayv1.HTTPRoute{}, "all", "late", func(o *gatewayv1.HTTPRoute) error {
		return isTrue(o.Generation, ofParent(o), "Accepted")
	})
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: contract.SystemNamespace, Name: "second-proxies"}, &corev1.ConfigMap{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the report of the replica that ended: %v", err)
	}
	r.flaps.none(t)
	r.traffic.none(t)
}

// expires kills a follower that the proxy is connected to.
func (r *replicas) expires(t *testing.T) {
	outer := r.service.t
	fourth := r.replica(outer, "fourth", r.service)
	fourth.waitReady(t)
	r.service.prefer(fourth)
	r.service.disconnect(r.third)
	fourth.waitMetric(t, "tlsgw_xds_connected_proxies", 1)
	r.third.waitMetric(t, proxiesOfOne, 1)
	fourth.kill(r.service)
	r.third.waitMetric(t, "tlsgw_xds_connected_proxies", 1)
	if n := r.third.metric(t, proxiesOfOne); n != 2 {
		t.Errorf("the dead replica was forgotten at once (%v proxies): this proves nothing of expiry", n)
	}
	r.third.waitMetric(t, proxiesOfOne, 1)
	if err := r.Get(t.Context(), client.ObjectKey{Namespace: contract.SystemNamespace, Name: "fourth-proxies"}, &corev1.ConfigMap{}); err != nil {
		t.Errorf("the report of the dead replica: %v", err)
	}
	r.flaps.none(t)
	r.traffic.none(t)
}

// load is traffic that must not fail.
type load struct {
	cancel func()
	ended  sync.WaitGroup
	sent   atomic.Int64

	mu     sync.Mutex
	failed map[string]int
}

// start asks again and again; ask is told how many requests came before.
func (l *load) start(t *testing.T, ask func(before int64) (code int, body string, err error)) {
	t.Helper()
	stopped := make(chan struct{})
	l.cancel = sync.OnceFunc(func() { close(stopped) })
	for range 4 {
		l.ended.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				code, body, err := ask(l.sent.Add(1) - 1)
				if err != nil || code != http.StatusOK {
					l.mu.Lock()
					l.failed[fmt.Sprintf("%d %q %v", code, body, err)]++
					l.mu.Unlock()
				}
				select {
				case <-tick.C:
				case <-stopped:
					return
				}
			}
		})
	}
}

func (l *load) none(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) > 0 || l.sent.Load() == 0 {
		t.Errorf("of %d requests failed: %v", l.sent.Load(), l.failed)
	}
}

func (l *load) stop(t *testing.T) {
	t.Helper()
	if l.cancel != nil {
		l.cancel()
		l.ended.Wait()
		t.Logf("%d requests were sent", l.sent.Load())
	}
}

// flaps notes whenever the Gateway ceases to be Programmed.
type flaps struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex
	notes []string
}

func (r *replicas) watch(t *testing.T) *flaps {
	t.Helper()
	watcher, err := client.NewWithWatch(r.admin, client.Options{Scheme: r.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	events, err := watcher.Watch(ctx, &gatewayv1.GatewayList{}, client.InNamespace("infra"))
	if err != nil {
		t.Fatal(err)
	}
	f := &flaps{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		defer events.Stop()
		for event := range events.ResultChan() {
			if gateway, ok := event.Object.(*gatewayv1.Gateway); ok {
				f.note(meta.FindStatusCondition(gateway.Status.Conditions, "Programmed"))
			}
		}
	}()
	return f
}

func (f *flaps) note(c *metav1.Condition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c == nil || c.Status != metav1.ConditionTrue {
		f.notes = append(f.notes, fmt.Sprintf("%+v", c))
	}
}

// reset forgets what was meant to happen.
func (f *flaps) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = nil
}

func (f *flaps) none(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.notes) > 0 {
		t.Errorf("Programmed was not True: %s", strings.Join(f.notes, "\n"))
	}
}

func (f *flaps) stop(t *testing.T) {
	t.Helper()
	if f != nil {
		f.cancel()
		<-f.ended
	}
}
