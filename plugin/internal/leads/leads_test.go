package leads

import (
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func TestIsNamed(t *testing.T) {
	t.Parallel()
	service := Backend{Kind: "Service", Namespace: "shop", Name: "nginx", Ports: []int32{8443}}
	anyPort := Backend{Kind: "Service", Namespace: "shop", Name: "nginx"}
	backend := Backend{Group: "gateway.kgateway.dev", Kind: "Backend", Namespace: "shop", Name: "nginx"}
	of := func(group, kind string) gatewayv1.BackendObjectReference {
		return gatewayv1.BackendObjectReference{Group: new(gatewayv1.Group(group)), Kind: new(gatewayv1.Kind(kind)), Name: "nginx"}
	}
	port := func(ref gatewayv1.BackendObjectReference, port int32) gatewayv1.BackendObjectReference {
		ref.Port = &port
		return ref
	}
	elsewhere := port(of("", "Service"), 8443)
	elsewhere.Namespace = new(gatewayv1.Namespace("shop"))
	for name, c := range map[string]struct {
		to        Backend
		namespace string
		ref       gatewayv1.BackendObjectReference
		want      bool
	}{
		"by default a service":            {service, "shop", port(gatewayv1.BackendObjectReference{Name: "nginx"}, 8443), true},
		"said to be a service":            {service, "shop", port(of("", "Service"), 8443), true},
		"of another namespace":            {service, "other", port(of("", "Service"), 8443), false},
		"another namespace that names it": {service, "other", elsewhere, true},
		"another port":                    {service, "shop", port(of("", "Service"), 80), false},
		"no port":                         {service, "shop", of("", "Service"), false},
		"any port will do":                {anyPort, "shop", port(of("", "Service"), 80), true},
		"another name":                    {service, "shop", port(gatewayv1.BackendObjectReference{Name: "apache"}, 8443), false},
		"a backend":                       {backend, "shop", of("gateway.kgateway.dev", "Backend"), true},
		"a backend with a port":           {backend, "shop", port(of("gateway.kgateway.dev", "Backend"), 443), true},
		"a backend of another API":        {backend, "shop", of("gateway.envoyproxy.io", "Backend"), false},
		"a service of another API":        {service, "shop", port(of("serving.example.com", "Service"), 8443), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.to.IsNamed(c.namespace, c.ref); got != c.want {
				t.Errorf("IsNamed = %t, want %t", got, c.want)
			}
		})
	}
}
