package envoy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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
// tried on a Service whose port has appProtocol, or on a Backend of names.
type policyCase struct {
	spec        string
	appProtocol string
	names       bool
	// refused is the field that the status must name; empty where all of the
	// policy must be accepted, by the controller and by Envoy.
	refused string
}

const h2c = "kubernetes.io/h2c"

// TestEnvoyTakesWhatIsAccepted asks a real Envoy about every value of every
// enumeration and both ends of every range: what the controller accepts Envoy
// takes, and what Envoy would reject is refused with the name of the field.
func TestEnvoyTakesWhatIsAccepted(t *testing.T) {
	t.Parallel()
	all := slices.Concat(basicPolicies(), httpPolicies(), balancerPolicies(), hashPolicies(), probePolicies(), outlierPolicies(), tlsPolicies())
	result := translated(t, all)
	statuses := acceptedOf(result)
	for i, c := range all {
		checkAccepted(t, c, statuses[policyName(i)])
	}
	r, err := envoy.Build(result.Gateways[0], envoy.Options{ListenAddress: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Clusters) != len(all)-refusedTLS(all) {
		t.Errorf("%d clusters for %d policies", len(r.Clusters), len(all))
	}
	server := startWithProxy(t)
	server.Publish(gatewayName(), 1, r)
	envoytest.Eventually(t, time.Minute, func() error {
		s := server.State(gatewayName())
		for _, rejection := range s.Rejections {
			t.Fatalf("Envoy rejects: %s %v", rejection.Message, specsOf(all, rejection.Resources))
		}
		if s.AckedRevision != 1 {
			return fmt.Errorf("not acknowledged: %+v", s)
		}
		return nil
	})
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
	objects := []client.Object{
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "tlsgw"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: contract.ControllerName}},
		&gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: node.Name},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{{
				Name: "http", Port: gatewayv1.PortNumber(envoytest.FreePort(t)), Protocol: gatewayv1.HTTPProtocolType,
			}}},
		},
	}
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: node.Namespace, Name: "all"}}
	route.Spec.ParentRefs = []gatewayv1.ParentReference{{Name: gatewayv1.ObjectName(node.Name)}}
	for i, c := range all {
		backend, ref := backendOf(node.Namespace, policyName(i), c)
		policy := &v1alpha1.BackendConfigPolicy{}
		if err := yaml.UnmarshalStrict([]byte(c.spec), &policy.Spec); err != nil {
			t.Fatalf("%s: %v", c.spec, err)
		}
		policy.Namespace, policy.Name = node.Namespace, policyName(i)
		policy.Spec.TargetRefs = []v1alpha1.TargetRef{{Group: *ref.Group, Kind: *ref.Kind, Name: ref.Name}}
		objects = append(objects, backend, policy)
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
		ControllerName: contract.ControllerName, Now: time.Now(),
		SystemCAFile: envoytest.WriteFile(t, "ca.crt", envoytest.NewCA(t, "system").PEM),
	})
}

func backendOf(namespace, name string, c policyCase) (client.Object, gatewayv1.BackendObjectReference) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	group, kind, port := gatewayv1.Group(""), gatewayv1.Kind("Service"), gatewayv1.PortNumber(80)
	ref := gatewayv1.BackendObjectReference{Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(name), Port: &port}
	if c.names {
		group, kind = v1alpha1.GroupName, "Backend"
		return &v1alpha1.Backend{ObjectMeta: meta, Spec: v1alpha1.BackendSpec{Static: &v1alpha1.StaticBackend{
			Hosts: []v1alpha1.Host{{Host: "a.invalid", Port: 80}},
		}}}, ref
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
	if c.appProtocol != "" {
		service.Spec.Ports[0].AppProtocol = &c.appProtocol
	}
	return service, ref
}
