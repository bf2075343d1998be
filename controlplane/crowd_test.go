package controlplane_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	crowdGatewayManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: infra}
spec:
  gatewayClassName: tlsgw
  listeners:
  - {name: http, protocol: HTTP, port: %[1]d, allowedRoutes: {namespaces: {from: All}}}
  - name: good
    protocol: HTTPS
    port: %[2]d
    hostname: good.crowd.example
    tls: {certificateRefs: [{name: good}]}
    allowedRoutes: {namespaces: {from: All}}
  - name: bad
    protocol: HTTPS
    port: %[2]d
    hostname: bad.crowd.example
    tls: {certificateRefs: [{name: bad}]}
    allowedRoutes: {namespaces: {from: All}}`

	// keyPairManifest takes namespace, name, certificate, key and CA bundle.
	keyPairManifest = `
apiVersion: v1
kind: Secret
metadata: {name: %[2]s, namespace: %[1]s}
type: kubernetes.io/tls
stringData: {tls.crt: %[3]q, tls.key: %[4]q, ca.crt: %[5]q}`

	// crowdRouteManifest takes the name, the hostnames and the rules.
	crowdRouteManifest = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[1]s, namespace: crowd}
spec:
  parentRefs: [{name: http, namespace: infra}]
  hostnames: [%[2]s]
  rules: %[3]s`

	// rulesOfRoute is how many rules the API allows a route.
	rulesOfRoute = 16
)

// crowd is a world of many valid policies, among which come bad objects.
type crowd struct {
	*world
	// test is the whole one, which proxies and traffic outlive their parts in.
	test *testing.T
	// size is how many valid policies there are.
	size      int
	httpsPort uint16
	hosts     *envoytest.CA
	metrics   string

	// bundles and policies are bad, pairs too, for a listener.
	bundles, policies []bad
	pairs             map[string]envoytest.Pair

	plain, encrypted load
}

// TestOneBadObjectHarmsNobody runs the controller against a real API server and
// a real Envoy, under traffic to a sample of many valid policies, while one of
// each kind of bad object comes. Its parts share them, in this order.
func TestOneBadObjectHarmsNobody(t *testing.T) {
	c := startCluster(t)
	w := &crowd{
		world: &world{cluster: c, port: envoytest.FreePort(t), trust: envoytest.NewCA(t, "backends")},
		test:  t, size: 1000, httpsPort: envoytest.FreePort(t), hosts: envoytest.NewCA(t, "hosts"),
		plain: load{failed: map[string]int{}}, encrypted: load{failed: map[string]int{}},
	}
	if testing.Short() {
		w.size = 100
	}
	w.backend = envoytest.StartBackend(t, "backend", w.trust.Issue(t, []string{"example.com"}, nil))
	w.backend.OneEach()
	c.apply(t, namespaceManifest, "infra")
	w.pair(t, "good", w.hosts.Issue(t, []string{"good.crowd.example"}, nil))
	w.pair(t, "bad", w.hosts.Issue(t, []string{"bad.crowd.example"}, nil))
	c.apply(t, crowdGatewayManifest, w.port, w.httpsPort)
	w.namespace(t, "crowd")
	w.bundles, w.policies = w.badBundles(t), w.badPolicies(t)
	t.Run("many valid policies", w.gather)
	t.Run("bad bundles", func(t *testing.T) { w.bring(t, w.bundles) })
	t.Run("bad policies", func(t *testing.T) { w.bring(t, w.policies) })
	t.Run("a certificate that a listener cannot have", w.badListener)
	t.Run("odd routes", w.oddRoutes)
	t.Run("what Envoy rejects is sent once", w.rejectedOnce)
	t.Run("a proxy that starts among them", w.freshProxy)
	t.Run("mended", w.mended)
	w.plain.stop(t)
	w.encrypted.stop(t)
	w.unharmed(t)
}

// pair is a key pair of the Gateway.
func (w *crowd) pair(t *testing.T, name string, pair envoytest.Pair) {
	t.Helper()
	w.apply(t, keyPairManifest, "infra", name, string(pair.Certificate), string(pair.Key), string(w.trust.PEM))
}

// unharmed fails when a request of the good ones has failed.
func (w *crowd) unharmed(t *testing.T) {
	t.Helper()
	w.plain.none(t)
	w.encrypted.none(t)
}

// gather makes the valid policies, and starts the traffic.
func (w *crowd) gather(t *testing.T) {
	began := time.Now()
	var objects []client.Object
	var rules []string
	for i := range w.size {
		name := fmt.Sprintf("p%d", i)
		for _, manifest := range []string{fmt.Sprintf(backendManifest, "crowd", name, w.backend.Port), fmt.Sprintf(policyManifest, "crowd", name)} {
			objects = append(objects, parse(t, "%s", manifest)[0])
		}
		rules = append(rules, fmt.Sprintf("{matches: [{path: {value: /%[1]s}}], backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %[1]s}]}", name))
		if len(rules) == rulesOfRoute || i == w.size-1 {
			route := fmt.Sprintf(crowdRouteManifest, "r"+name, "crowd.example, good.crowd.example, bad.crowd.example", "["+strings.Join(rules, ", ")+"]")
			objects = append(objects, parse(t, "%s", route)[0])
			rules = nil
		}
	}
	var group errgroup.Group
	group.SetLimit(16)
	for _, object := range objects {
		group.Go(func() error { return w.Create(t.Context(), object) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	created := time.Now()
	w.stop = w.run(w.test, func(o *controlplane.Options) { w.metrics = "http://" + o.HealthListener.Addr().String() + "/metrics" })
	w.envoy = w.cluster.envoy(w.test, "infra", "http")
	for i := range w.size {
		w.answers(t, fmt.Sprintf("p%d", i), http.StatusOK)
	}
	served := time.Now()
	list := &gatewayv1.BackendTLSPolicyList{}
	envoytest.Eventually(t, 4*patient, func() error {
		if err := w.List(t.Context(), list, client.InNamespace("crowd")); err != nil {
			return err
		}
		for i := range list.Items {
			if err := isTrue(1, ofAncestor(list.Items[i].Status), "Accepted", "ResolvedRefs"); err != nil {
				return fmt.Errorf("%s: %w", list.Items[i].Name, err)
			}
		}
		return nil
	})
	t.Logf("%d policies: made in %v, serving %v later, the last status %v after the last object", w.size,
		created.Sub(began).Round(time.Millisecond), served.Sub(created).Round(time.Millisecond), time.Since(created).Round(time.Millisecond))
	w.startTraffic(w.test)
}

// answers waits for the answer of one of the crowd.
func (w *crowd) answers(t *testing.T, name string, code int) {
	t.Helper()
	envoytest.Eventually(t, 2*patient, func() error {
		got, body, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/%s", w.port, name), "crowd.example")
		if err == nil && got != code {
			err = fmt.Errorf("GET %s: %d %q, want %d", name, got, body, code)
		}
		return err
	})
}

// startTraffic asks for a sample of the crowd until the end of the test.
func (w *crowd) startTraffic(t *testing.T) {
	t.Helper()
	const sample = 25
	path := func(before int64) string { return fmt.Sprintf("/p%d", before%sample*int64(w.size/sample)) }
	w.plain.start(t, func(before int64) (int, string, error) {
		return get(t, fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path(before)), "crowd.example")
	})
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: w.hosts.Pool(), ServerName: "good.crowd.example"},
	}
	encrypted := &http.Client{Timeout: 5 * time.Second, Transport: transport}
	w.encrypted.start(t, func(before int64) (int, string, error) {
		return w.secure(t, encrypted, "good.crowd.example", path(before))
	})
}

// secure asks the HTTPS listener for a path.
func (w *crowd) secure(t *testing.T, c *http.Client, host, path string) (code int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", w.httpsPort, path), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Host = host
	response, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

// bad is an object that is wrong in some way.
type bad struct {
	name string
	// make makes it, and mend makes it right.
	make, mend func(t *testing.T)
	// code is what its route answers until it is mended.
	code int
	// says is nil when the status of the guilty object says what is wrong.
	says func(t *testing.T) error
	// good is nil when it says nothing of it any more.
	good func(t *testing.T) error
}

// bring makes bad objects, and waits until their statuses and routes say so.
func (w *crowd) bring(t *testing.T, all []bad) {
	t.Helper()
	for _, b := range all {
		b.make(t)
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			envoytest.Eventually(t, patient, func() error { return b.says(t) })
			w.answersBad(t, b.name, b.code)
		})
	}
	w.unharmed(t)
}

func (w *crowd) answersBad(t *testing.T, name string, code int) {
	t.Helper()
	expect(t, w.port, name+".bad.example", code)
}

// badRoute leads the host of a bad object to a Backend of its name.
func (w *crowd) badRoute(t *testing.T, name, match string) {
	t.Helper()
	w.apply(t, crowdRouteManifest, name, name+".bad.example",
		fmt.Sprintf("[{matches: [%s], backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: %s}]}]", match, name))
}

// freshProxy replaces the proxy by one that knows nothing yet.
func (w *crowd) freshProxy(t *testing.T) {
	w.plain.stop(t)
	w.encrypted.stop(t)
	w.unharmed(t)
	w.envoy.End(t)
	began := time.Now()
	w.envoy = w.cluster.envoy(w.test, "infra", "http")
	for i := range w.size {
		w.answers(t, fmt.Sprintf("p%d", i), http.StatusOK)
	}
	t.Logf("a new proxy serves %d policies after %v", w.size, time.Since(began).Round(time.Millisecond))
	w.startTraffic(w.test)
	for _, b := range slices.Concat(w.bundles, w.policies) {
		w.answersBad(t, b.name, b.code)
		if err := b.says(t); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
}

// mended makes the bad ones right, one after the other, and waits until routes
// and statuses are.
func (w *crowd) mended(t *testing.T) {
	for _, b := range slices.Concat(w.bundles, w.policies) {
		b.mend(t)
		began := time.Now()
		w.answersBad(t, b.name, http.StatusOK)
		served := time.Since(began)
		envoytest.Eventually(t, patient, func() error { return b.good(t) })
		t.Logf("%-20s serves %v, and says so %v, after it was mended", b.name,
			served.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	w.pair(t, "bad", w.hosts.Issue(t, []string{"bad.crowd.example"}, nil))
	eventually(t, w.cluster, &gatewayv1.Gateway{}, "infra", "http", func(o *gatewayv1.Gateway) error {
		for i := range o.Status.Listeners {
			if err := isTrue(o.Generation, o.Status.Listeners[i].Conditions, "ResolvedRefs", "Programmed"); err != nil {
				return err
			}
		}
		return programmed(o)
	})
}

// saysPolicy tells whether a BackendTLSPolicy's status says no for a reason.
func (w *crowd) saysPolicy(t *testing.T, name, reason string, parts ...string) error {
	t.Helper()
	o := fetch(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "crowd", name)
	return says(ofAncestor(o.Status), "Accepted", metav1.ConditionFalse, reason, parts...)
}

// goodPolicy tells whether a BackendTLSPolicy's status says yes.
func (w *crowd) goodPolicy(t *testing.T, name string) error {
	t.Helper()
	o := fetch(t, w.cluster, &gatewayv1.BackendTLSPolicy{}, "crowd", name)
	return isTrue(o.Generation, ofAncestor(o.Status), "Accepted", "ResolvedRefs")
}
