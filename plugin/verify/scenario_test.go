package verify

import (
	"cmp"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

// scenario is a backend, its Service, policy and route, and the cluster that
// Envoy has for it. The zero value is a set-up in order, but for the backend.
type scenario struct {
	name string
	// port of the backend on loopback; 0: no endpoints.
	port int32
	// trusted is the PEM in ConfigMap NAME-ca and in Envoy's cluster.
	trusted string
	// live changes the TLS context of Envoy's cluster; nil makes it plain.
	live func(context object)
	// plain: Envoy's cluster has no TLS. noCluster: Envoy has no such cluster.
	plain, noCluster, http2 bool
	// noSNI: neither the policy nor Envoy's cluster names one.
	noSNI bool
	// proxied: a PROXY header comes before the TLS.
	proxied bool
	// change changes the objects before they are written.
	change func(o *objects)
	// options change the command line.
	options func(o *Options)
	want    diagnose.Code
	exit    int
	// also checks more of the result, which is the last of results.
	also func(t *testing.T, results []report.Result, stderr string)
	// backend: the target is a Backend, not a Service.
	backend bool
	// bundle names what Envoy's trust is put together from; empty is the
	// ConfigMap NAME-ca.
	bundle string
	// after is done when the objects are written.
	after func(t *testing.T, clients *kube.Clients, o *objects)
}

func (s *scenario) host() string { return s.name + ".example.com" }
func (s *scenario) statName() string {
	if s.backend {
		return contract.BackendStatName("default", s.name)
	}
	return contract.ServiceStatName("default", s.name, 443)
}
func (s *scenario) clusterName() string { return s.statName() + "~0123456789" }

func (s *scenario) secretName() string {
	return "trust/default/" + cmp.Or(s.bundle, "configmap/"+s.name+"-ca")
}

// secret is the trust bundle of the cluster.
func (s *scenario) secret() object {
	return object{"name": s.secretName(), "validation_context": object{"trusted_ca": object{"inline_string": s.trusted}}}
}

// cluster is what the controller would send for the scenario.
func (s *scenario) cluster() object {
	var endpoints []object
	if s.port != 0 {
		endpoints = []object{{"endpoint": object{"address": socket(s.port)}}}
	}
	c := object{
		"name": s.clusterName(), "alt_stat_name": s.statName(), "type": "STATIC", "connect_timeout": "1s",
		"load_assignment": object{"cluster_name": s.clusterName(), "endpoints": []object{{"lb_endpoints": endpoints}}},
	}
	if s.http2 {
		c["typed_extension_protocol_options"] = object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
			"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}}
	}
	if s.plain {
		return c
	}
	context := object{
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		"sni":   s.host(),
		"common_tls_context": object{
			"tls_params": object{"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
			"combined_validation_context": object{
				"default_validation_context": object{
					"match_typed_subject_alt_names": []object{
						{"san_type": "DNS", "matcher": object{"exact": s.host()}},
					},
				},
				"validation_context_sds_secret_config": object{"name": s.secretName()},
			},
		},
	}
	if s.live != nil {
		s.live(context)
	}
	c["transport_socket"] = object{"name": "envoy.transport_sockets.tls", "typed_config": context}
	if s.proxied {
		c["transport_socket"] = object{"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": object{
			"@type":            "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
			"config":           object{"version": "V1"},
			"transport_socket": c["transport_socket"],
		}}
	}
	return c
}

// names has the names that a TLS context takes.
func names(context object) object {
	return common(context)["combined_validation_context"].(object)["default_validation_context"].(object)
}

// noValidation and noNames take from a TLS context what it verifies.
func noValidation(context object) { delete(common(context), "combined_validation_context") }

func noNames(context object) { delete(names(context), "match_typed_subject_alt_names") }

// common is the CommonTlsContext within a TLS context.
func common(context object) object { return context["common_tls_context"].(object) }

// objects of one scenario; a nil one is not written.
type objects struct {
	service   *corev1.Service
	endpoints *discoveryv1.EndpointSlice
	trust     *corev1.ConfigMap
	policy    *gatewayv1.BackendTLSPolicy
	route     *gatewayv1.HTTPRoute
	more      []client.Object
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name}
}

func newObjects(s *scenario) *objects {
	port := gatewayv1.PortNumber(443)
	o := &objects{
		service: &corev1.Service{ObjectMeta: named(s.name), Spec: corev1.ServiceSpec{
			Ports: []corev1.ServicePort{{Name: "https", Port: 443}},
		}},
		trust: &corev1.ConfigMap{ObjectMeta: named(s.name + "-ca"), Data: map[string]string{"ca.crt": s.trusted}},
		policy: &gatewayv1.BackendTLSPolicy{ObjectMeta: named(s.name + "-tls"), Spec: gatewayv1.BackendTLSPolicySpec{
			TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
				LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: gatewayv1.ObjectName(s.name)},
			}},
			Validation: gatewayv1.BackendTLSPolicyValidation{
				Hostname:          gatewayv1.PreciseHostname(s.host()),
				CACertificateRefs: []gatewayv1.LocalObjectReference{{Kind: "ConfigMap", Name: gatewayv1.ObjectName(s.name + "-ca")}},
			},
		}},
		route: &gatewayv1.HTTPRoute{ObjectMeta: named(s.name), Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: "http"}}},
			Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(s.host())},
			Rules: []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(s.name), Port: &port},
			}}}}},
		}},
	}
	if s.port != 0 {
		o.endpoints = loopback(s.name, s.port)
	}
	o.policy.Status = policyStatus("http", accepted())
	o.route.Status.Parents = []gatewayv1.RouteParentStatus{{
		ParentRef: gatewayv1.ParentReference{Name: "http"}, ControllerName: contract.ControllerName,
		Conditions: []metav1.Condition{accepted(), isTrue("ResolvedRefs", "ResolvedRefs")},
	}}
	return o
}

// loopback is a slice that leads to this machine: an API server takes no
// loopback address, but a name that RFC 6761 binds to it.
func loopback(service string, port int32) *discoveryv1.EndpointSlice {
	name := "https"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: named(service), AddressType: discoveryv1.AddressTypeFQDN,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"backend.localhost"}}},
		Ports:     []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	return slice
}

func isTrue(kind, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Unix(1, 0)}
}

func isFalse(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message, LastTransitionTime: metav1.Unix(1, 0)}
}

func accepted() metav1.Condition { return isTrue("Accepted", "Accepted") }

func policyStatus(gateway string, conditions ...metav1.Condition) gatewayv1.PolicyStatus {
	return gatewayv1.PolicyStatus{Ancestors: []gatewayv1.PolicyAncestorStatus{{
		AncestorRef:    gatewayv1.ParentReference{Name: gatewayv1.ObjectName(gateway)},
		ControllerName: contract.ControllerName, Conditions: conditions,
	}}}
}

// write creates the objects, and the status that a controller would give.
func (o *objects) write(t *testing.T, clients *kube.Clients) {
	t.Helper()
	var all []client.Object
	if o.service != nil {
		all = append(all, o.service)
	}
	if o.endpoints != nil {
		all = append(all, o.endpoints)
	}
	if o.trust != nil {
		all = append(all, o.trust)
	}
	if o.policy != nil {
		all = append(all, o.policy)
	}
	if o.route != nil {
		all = append(all, o.route)
	}
	for _, object := range append(all, o.more...) {
		create(t, clients, object)
	}
}

func create(t *testing.T, clients *kube.Clients, object client.Object) {
	t.Helper()
	wanted := object.DeepCopyObject().(client.Object)
	if err := clients.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
	switch wanted.(type) {
	case *corev1.Service, *corev1.ConfigMap, *corev1.Secret, *discoveryv1.EndpointSlice, *corev1.Namespace:
		return
	}
	wanted.SetResourceVersion(object.GetResourceVersion())
	wanted.SetUID(object.GetUID())
	if err := clients.Client.Status().Update(t.Context(), wanted); err != nil {
		t.Fatalf("status of %T %s: %v", object, object.GetName(), err)
	}
}

// gatewayOf is a Gateway whose Envoy is a process of this machine.
func gatewayOf(name, admin string, port int32, programmed metav1.Condition) *gatewayv1.Gateway {
	g := &gatewayv1.Gateway{ObjectMeta: named(name), Spec: gatewayv1.GatewaySpec{
		GatewayClassName: contract.GatewayClassName,
		Listeners:        []gatewayv1.Listener{{Name: "http", Port: port, Protocol: gatewayv1.HTTPProtocolType}},
	}}
	g.Annotations = map[string]string{
		contract.AnnotationEnvoyAdmin: admin, contract.AnnotationEnvoyAddress: "127.0.0.1",
	}
	g.Status.Conditions = []metav1.Condition{programmed}
	return g
}

// through sends a scenario's route through another Gateway.
func through(gateway string) func(*objects) {
	return func(o *objects) {
		o.route.Spec.ParentRefs[0].Name = gatewayv1.ObjectName(gateway)
		o.route.Status.Parents[0].ParentRef.Name = gatewayv1.ObjectName(gateway)
	}
}

func year(n int) time.Time { return time.Now().AddDate(n, 0, 0) }

func (s *scenario) target() TargetRef {
	if s.backend {
		return TargetRef{Kind: kindBackend, Name: s.name}
	}
	return TargetRef{Kind: kindService, Name: s.name}
}
