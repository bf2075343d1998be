package translate

import (
	"fmt"
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// BenchmarkTranslate translates N routes to N Services, each with endpoints
// and a BackendTLSPolicy.
func BenchmarkTranslate(b *testing.B) {
	for _, routes := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			s := newSnapshot(b, manyRoutes(b, routes))
			b.ReportAllocs()
			for b.Loop() {
				if result := Translate(s, testOptions()); len(result.Gateways[0].Clusters) != routes {
					b.Fatalf("got %d clusters", len(result.Gateways[0].Clusters))
				}
			}
		})
	}
}

// manyRoutes copies the guide's Service, slice, route and policy.
func manyRoutes(tb testing.TB, count int) []client.Object {
	tb.Helper()
	var objects []client.Object
	for _, object := range decodeAll(tb, loadCase(tb, filepath.Join("testdata", "guide-backendtlspolicy.yaml"))) {
		switch object.GetObjectKind().GroupVersionKind().Kind {
		case "Service", "EndpointSlice", "HTTPRoute", "BackendTLSPolicy":
			for i := range count {
				objects = append(objects, numbered(tb, object, i))
			}
		default:
			objects = append(objects, object)
		}
	}
	return objects
}

func numbered(tb testing.TB, object client.Object, i int) client.Object {
	tb.Helper()
	copied, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		tb.Fatalf("%T is no object", object)
	}
	name := fmt.Sprintf("nginx-%d", i)
	copied.SetName(name)
	switch o := copied.(type) {
	case *gatewayv1.HTTPRoute:
		o.Spec.Hostnames = []gatewayv1.Hostname{gatewayv1.Hostname(name + ".example.com")}
		o.Spec.Rules[0].BackendRefs[0].Name = gatewayv1.ObjectName(name)
	case *gatewayv1.BackendTLSPolicy:
		o.Spec.TargetRefs[0].Name = gatewayv1.ObjectName(name)
	default:
		copied.SetLabels(map[string]string{"kubernetes.io/service-name": name})
	}
	return copied
}
