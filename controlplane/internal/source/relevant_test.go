package source

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

func TestRelevant(t *testing.T) {
	t.Parallel()
	ready := true
	for _, test := range []struct {
		name string
		// change is made to a copy of object.
		object client.Object
		change func(client.Object)
		want   bool
	}{
		{"resource version only", &corev1.ConfigMap{}, func(client.Object) {}, false},
		{"labels", &corev1.Namespace{}, func(o client.Object) { o.SetLabels(map[string]string{"a": "b"}) }, true},
		{"annotations", &gatewayv1.Gateway{}, func(o client.Object) { o.SetAnnotations(map[string]string{"a": "b"}) }, true},
		{"created anew", &gatewayv1.Gateway{}, func(o client.Object) { o.SetUID("new") }, true},
		{"deletion begins", &gatewayv1.Gateway{}, func(o client.Object) { now := metav1.Now(); o.SetDeletionTimestamp(&now) }, true},
		{"spec", &gatewayv1.HTTPRoute{}, func(o client.Object) { o.SetGeneration(2) }, true},
		{"status", &gatewayv1.HTTPRoute{}, func(o client.Object) {
			o.(*gatewayv1.HTTPRoute).Status.Parents = []gatewayv1.RouteParentStatus{{}}
		}, false},
		{"own entry of a policy", &gatewayv1.BackendTLSPolicy{}, func(o client.Object) {
			o.(*gatewayv1.BackendTLSPolicy).Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{ControllerName: contract.ControllerName}}
		}, false},
		{"other entry of a policy", &gatewayv1.BackendTLSPolicy{}, func(o client.Object) {
			o.(*gatewayv1.BackendTLSPolicy).Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{ControllerName: "example.org/other"}}
		}, true},
		{"other entry of a policy of kgateway", &v1alpha1.BackendConfigPolicy{}, func(o client.Object) {
			o.(*v1alpha1.BackendConfigPolicy).Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{ControllerName: "example.org/other"}}
		}, true},
		{"Secret data", &corev1.Secret{}, func(o client.Object) {
			o.(*corev1.Secret).Data = map[string][]byte{"ca.crt": {1}}
		}, true},
		{"ConfigMap data", &corev1.ConfigMap{}, func(o client.Object) {
			o.(*corev1.ConfigMap).Data = map[string]string{"ca.crt": "x"}
		}, true},
		{"ConfigMap binaryData", &corev1.ConfigMap{}, func(o client.Object) {
			o.(*corev1.ConfigMap).BinaryData = map[string][]byte{"ca.crt": {1}}
		}, true},
		{"Service ports", &corev1.Service{}, func(o client.Object) {
			o.(*corev1.Service).Spec.Ports = []corev1.ServicePort{{Port: 1}}
		}, true},
		{"address of a Gateway", &corev1.Service{}, func(o client.Object) {
			o.(*corev1.Service).Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
		}, true},
		{"endpoint is ready", &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{}}}, func(o client.Object) {
			o.(*discoveryv1.EndpointSlice).Endpoints[0].Conditions.Ready = &ready
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			after, ok := test.object.DeepCopyObject().(client.Object)
			if !ok {
				t.Fatalf("%T is no object", test.object)
			}
			after.SetResourceVersion("2")
			test.change(after)
			if got := relevant(test.object, after); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
