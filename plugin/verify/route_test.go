package verify

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

func pointer[T any](v T) *T { return &v }

func TestRequestComesFromTheRoute(t *testing.T) {
	t.Parallel()
	exact, regular := gatewayv1.HeaderMatchExact, gatewayv1.HeaderMatchRegularExpression
	match := gatewayv1.HTTPRouteMatch{
		Path:   &gatewayv1.HTTPPathMatch{Type: pointer(gatewayv1.PathMatchExact), Value: pointer("/get")},
		Method: pointer(gatewayv1.HTTPMethodPost),
		Headers: []gatewayv1.HTTPHeaderMatch{
			{Type: &exact, Name: "x-a", Value: "b"}, {Type: &regular, Name: "x-r", Value: ".*"},
		},
		QueryParams: []gatewayv1.HTTPQueryParamMatch{{Name: "q", Value: "1 2"}},
	}
	y := &way{
		lead: lead{route: &gatewayv1.HTTPRoute{Spec: gatewayv1.HTTPRouteSpec{
			Hostnames: []gatewayv1.Hostname{"a.test", "*.example.com"},
			Rules:     []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{match}}},
		}}},
		listener: &gatewayv1.Listener{Protocol: gatewayv1.HTTPSProtocolType, Hostname: pointer(gatewayv1.Hostname("*.example.com"))},
	}
	got := y.request(&Options{}, "sni.test")
	want := probe.Request{Method: "POST", Path: "/get?q=1+2", Host: "tlsgw-verify.example.com",
		ServerName: "tlsgw-verify.example.com", Header: http.Header{"X-A": {"b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got = y.request(&Options{Host: "h.test:8080", Path: "/p", Method: "HEAD"}, "")
	want = probe.Request{Method: "HEAD", Path: "/p", Host: "h.test:8080", ServerName: "h.test", Header: http.Header{"X-A": {"b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with options -want +got:\n%s", diff)
	}
}

func TestRequestOfABareRoute(t *testing.T) {
	t.Parallel()
	y := &way{
		lead:     lead{route: &gatewayv1.HTTPRoute{Spec: gatewayv1.HTTPRouteSpec{Rules: []gatewayv1.HTTPRouteRule{{}}}}},
		listener: &gatewayv1.Listener{Protocol: gatewayv1.HTTPProtocolType},
	}
	want := probe.Request{Method: "GET", Path: "/", Host: "sni.test", Header: http.Header{}}
	if diff := cmp.Diff(want, y.request(&Options{}, "sni.test")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestListener(t *testing.T) {
	t.Parallel()
	listeners := []gatewayv1.Listener{
		{Name: "tls", Port: 9443, Protocol: gatewayv1.TLSProtocolType},
		{Name: "https", Port: 8443, Protocol: gatewayv1.HTTPSProtocolType},
		{Name: "other", Port: 8081, Protocol: gatewayv1.HTTPProtocolType, Hostname: pointer(gatewayv1.Hostname("other.test"))},
		{Name: "http", Port: 8080, Protocol: gatewayv1.HTTPProtocolType},
	}
	for _, test := range []struct {
		ref  gatewayv1.ParentReference
		host gatewayv1.Hostname
		want string
	}{
		{gatewayv1.ParentReference{}, "a.test", "http"},
		{gatewayv1.ParentReference{}, "other.test", "other"},
		{gatewayv1.ParentReference{SectionName: pointer(gatewayv1.SectionName("https"))}, "a.test", "https"},
		{gatewayv1.ParentReference{Port: pointer(gatewayv1.PortNumber(8443))}, "a.test", "https"},
		{gatewayv1.ParentReference{SectionName: pointer(gatewayv1.SectionName("other"))}, "a.test", ""},
		{gatewayv1.ParentReference{SectionName: pointer(gatewayv1.SectionName("tls"))}, "a.test", ""},
	} {
		got := ""
		if l := listenerFor(listeners, test.ref, []gatewayv1.Hostname{test.host}); l != nil {
			got = string(l.Name)
		}
		if got != test.want {
			t.Errorf("%+v %s: listener %q, want %q", test.ref, test.host, got, test.want)
		}
	}
}

func TestIntersect(t *testing.T) {
	t.Parallel()
	for _, test := range [][3]string{
		{"*.example.com", "a.example.com", "a.example.com"},
		{"a.example.com", "*.example.com", "a.example.com"},
		{"*.com", "*.example.com", "*.example.com"},
		{"*.example.com", "example.com", ""},
		{"a.test", "b.test", ""},
	} {
		if got := intersect(test[0], test[1]); got != test[2] {
			t.Errorf("%s and %s: %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	s := &sender{address: "127.0.0.1:8080", request: probe.Request{
		Method: "POST", Host: "a.test", Path: "/x?y='1'", Header: http.Header{"X-B": {"2 3"}, "X-A": {"1"}},
	}}
	want := `curl -i -X POST -H 'Host: a.test' -H 'X-A: 1' -H 'X-B: 2 3' 'http://127.0.0.1:8080/x?y='\''1'\'''`
	if got := s.curlCommand(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s = &sender{address: "localhost:8443", request: probe.Request{Method: "GET", Host: "a.test", ServerName: "a.test", Path: "/"}}
	want = `curl -i -k --resolve a.test:8443:127.0.0.1 https://a.test:8443/`
	if got := s.curlCommand(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
