package envoy_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/translate"
)

// policyCase is the spec of a BackendConfigPolicy, without its targets. It is
// tried on a Service whose port has appProtocol, or on a Backend of names. In
// it, CA_FILE, CERT_FILE and KEY_FILE are paths of files.
type policyCase struct {
	spec        string
	appProtocol string
	names       bool
	// backend is the spec of a Backend to try it on in their place.
	backend string
	// refused is the field that the status must name; empty where all of the
	// policy must be accepted, by the controller and by Envoy.
	refused string
}

const h2c = "kubernetes.io/h2c"

func allPolicies() []policyCase {
	return slices.Concat(basicPolicies(), httpPolicies(), balancerPolicies(), hashPolicies(), probePolicies(), outlierPolicies(), tlsPolicies(),
		backendPolicies())
}

// TestEnvoyTakesWhatIsAccepted asks a real Envoy about every value of every
// enumeration and both ends of every range: what the controller accepts Envoy
// takes, and survives a request by it, and the rest is refused with the name of
// the field.
func TestEnvoyTakesWhatIsAccepted(t *testing.T) {
	t.Parallel()
	all := allPolicies()
	result := translated(t, all)
	statuses := acceptedOf(result)
	for i, c := range all {
		checkAccepted(t, c, statuses[policyName(i)])
	}
	if got := len(servedToEnvoy(t, all, result).Clusters); got != len(all)-refusedTLS(all) {
		t.Errorf("%d clusters for %d policies", got, len(all))
	}
}

// TestEnvoyTakesPoliciesTogether tries mixtures of what is accepted.
func TestEnvoyTakesPoliciesTogether(t *testing.T) {
	t.Parallel()
	var all []policyCase
	accepted := slices.DeleteFunc(allPolicies(), func(c policyCase) bool { return c.refused != "" })
	const mixtures, parts, stride = 200, 4, 97 // The stride is prime: each meets many others.
	for number := range mixtures {
		i := number * len(accepted) / mixtures
		mixed, spec := accepted[i], map[string]any{}
		for part := range parts {
			// What comes first stays.
			other := map[string]any{}
			if err := yaml.Unmarshal([]byte(accepted[(i+part*stride)%len(accepted)].spec), &other); err != nil {
				t.Fatal(err)
			}
			maps.Copy(other, spec)
			spec = other
		}
		text, err := yaml.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		mixed.spec = string(text)
		all = append(all, mixed)
	}
	servedToEnvoy(t, all, translated(t, all))
}

// servedToEnvoy has a real Envoy take a translation, and use all of it.
func servedToEnvoy(t *testing.T, all []policyCase, result *ir.Result) *envoy.Resources {
	t.Helper()
	r, err := envoy.Build(result.Gateways[0], envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server, proxy := startBoth(t)
	server.Publish(gatewayName(), 1, r)
	envoytest.Eventually(t, 3*time.Minute, func() error {
		s := server.State(gatewayName())
		for _, rejection := range s.Rejections {
			t.Fatalf("Envoy rejects: %s %v", rejection.Message, specsOf(all, rejection.Resources))
		}
		if s.AckedRevision != 1 {
			return fmt.Errorf("not acknowledged: %+v", s)
		}
		return nil
	})
	survives(t, all, &site{url: fmt.Sprintf("http://127.0.0.1:%d", result.Gateways[0].Listeners[0].Port), envoy: proxy})
	return r
}

// survives sends a request by each policy, whatever comes of it.
func survives(t *testing.T, all []policyCase, s *site) {
	t.Helper()
	const atOnce = 8
	envoytest.Eventually(t, 20*time.Second, func() error {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return err
		}
		return conn.Close()
	})
	var group errgroup.Group
	group.SetLimit(atOnce)
	var answered atomic.Int64
	for i := range all {
		group.Go(func() error {
			if s.ask(t, http.MethodGet, "/"+policyName(i), "").status == http.StatusOK {
				answered.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait() // None fails.
	if t.Logf("%d of %d requests were answered", answered.Load(), len(all)); int(answered.Load()) < len(all)/10 {
		t.Error("too few")
	}
	if got := s.ask(t, http.MethodGet, "/", ""); got.status != http.StatusNotFound {
		t.Errorf("Envoy does not live: %+v", got)
	}
}

func policyName(i int) string { return fmt.Sprintf("p%03d", i) }

// refusedTLS counts the policies that leave no cluster.
func refusedTLS(all []policyCase) int {
	count := 0
	for _, c := range all {
		if strings.HasPrefix(c.refused, "spec.tls") {
			count++
		}
	}
	return count
}

// specsOf finds the policies of rejected clusters.
func specsOf(all []policyCase, clusters []string) []string {
	var specs []string
	for i, c := range all {
		if slices.ContainsFunc(clusters, func(name string) bool { return strings.Contains(name, policyName(i)) }) {
			specs = append(specs, c.spec)
		}
	}
	return specs
}

func checkAccepted(t *testing.T, c policyCase, accepted ir.Condition) {
	t.Helper()
	if c.refused == "" {
		if accepted.Reason != v1alpha1.PolicyReasonValid {
			t.Errorf("%s is %s: %s", c.spec, accepted.Reason, accepted.Message)
		}
		return
	}
	if accepted.Reason != v1alpha1.PolicyReasonInvalid && accepted.Reason != v1alpha1.PolicyReasonPartiallyValid {
		t.Errorf("%s is %s", c.spec, accepted.Reason)
	}
	if !strings.Contains(accepted.Message, c.refused+": ") {
		t.Errorf("%s: %q does not name %s", c.spec, accepted.Message, c.refused)
	}
}

// acceptedOf finds the Accepted condition of each policy.
func acceptedOf(result *ir.Result) map[string]ir.Condition {
	conditions := map[string]ir.Condition{}
	for _, s := range result.Statuses {
		if s.Kind == "BackendConfigPolicy" {
			conditions[s.Name.Name] = s.Ancestors[0].Conditions[0]
		}
	}
	return conditions
}

// translated makes a backend for each policy and one route to all.
func translated(t *testing.T, all []policyCase) *ir.Result {
	t.Helper()
	node := gatewayName()
	ca := envoytest.NewCA(t, "ca")
	pair := ca.Issue(t, []string{"client"}, nil)
	backend := envoytest.StartBackend(t, "backend", ca.Issue(t, []string{"a.example"}, nil))
	files := strings.NewReplacer("CA_FILE", envoytest.WriteFile(t, "ca.crt", ca.PEM),
		"CERT_FILE", envoytest.WriteFile(t, "tls.crt", pair.Certificate), "KEY_FILE", envoytest.WriteFile(t, "tls.key", pair.Key))
	objects := []client.Object{
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "tlsgw"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: contract.ControllerName}},
		&gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: node.Name},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{{
				Name: "http", Port: gatewayv1.PortNumber(envoytest.FreePort(t)), Protocol: gatewayv1.HTTPProtocolType,
			}}},
		},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: "pair"}, Data: map[string][]byte{
			"ca.crt": ca.PEM, "tls.crt": pair.Certificate, "tls.key": pair.Key,
		}},
	}
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: "all"}}
	route.Spec.ParentRefs = []gatewayv1.ParentReference{{Name: gatewayv1.ObjectName(node.Name)}}
	for i, c := range all {
		parts, ref := backendOf(t, metav1.ObjectMeta{Namespace: node.Namespace, Name: policyName(i)}, c, int32(backend.Port))
		policy := &v1alpha1.BackendConfigPolicy{}
		if err := yaml.UnmarshalStrict([]byte(files.Replace(c.spec)), &policy.Spec); err != nil {
			t.Fatalf("%s: %v", c.spec, err)
		}
		policy.Namespace, policy.Name = node.Namespace, policyName(i)
		policy.Spec.TargetRefs = []v1alpha1.TargetRef{{Group: *ref.Group, Kind: *ref.Kind, Name: ref.Name}}
		objects = append(append(objects, policy), parts...)
		path := "/" + policyName(i)
		route.Spec.Rules = append(route.Spec.Rules, gatewayv1.HTTPRouteRule{
			Matches:     []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Value: &path}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{BackendObjectReference: ref}}},
		})
	}
	s, err := snapshot.New(append(objects, route))
	if err != nil {
		t.Fatal(err)
	}
	return translate.Translate(s, translate.Options{
		ControllerName: contract.ControllerName, Now: time.Now(), AllowLoopback: true,
		SystemCAFile: envoytest.WriteFile(t, "ca.crt", envoytest.NewCA(t, "system").PEM),
	})
}

// backendOf makes what a case is tried on, which leads to a port of loopback.
func backendOf(t *testing.T, meta metav1.ObjectMeta, c policyCase, number int32) ([]client.Object, gatewayv1.BackendObjectReference) {
	t.Helper()
	group, kind, port := gatewayv1.Group(""), gatewayv1.Kind("Service"), gatewayv1.PortNumber(80)
	ref := gatewayv1.BackendObjectReference{Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(meta.Name), Port: &port}
	if c.names || c.backend != "" {
		group, kind = v1alpha1.GroupName, "Backend"
		backend := &v1alpha1.Backend{ObjectMeta: meta, Spec: v1alpha1.BackendSpec{Static: &v1alpha1.StaticBackend{
			Hosts: []v1alpha1.Host{{Host: "localhost", Port: number}},
		}}}
		if c.backend != "" {
			backend.Spec = v1alpha1.BackendSpec{}
			if err := yaml.UnmarshalStrict([]byte(c.backend), &backend.Spec); err != nil {
				t.Fatalf("%s: %v", c.backend, err)
			}
		}
		return []client.Object{backend}, ref
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	if c.appProtocol != "" {
		service.Spec.Ports[0].AppProtocol = &c.appProtocol
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: *meta.DeepCopy(), AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}},
		Ports:     []discoveryv1.EndpointPort{{Name: &service.Spec.Ports[0].Name, Port: &number}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: meta.Name}
	return []client.Object{service, slice}, ref
}
