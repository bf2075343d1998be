package verify

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// fakeEnvoy counts handshakes handshakes, and has its cluster from the
// third look on.
func fakeEnvoy(t *testing.T, handshakes int) *probe.Admin {
	t.Helper()
	var looks atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/stats":
			_, _ = fmt.Fprintf(w, `{"stats":[{"name":"cluster.kube_default_a_443.ssl.handshake","value":%d}]}`, handshakes)
		case r.URL.Query().Get("resource") == "dynamic_active_clusters" && looks.Add(1) > 2:
			_, _ = fmt.Fprint(w, `{"configs":[{"cluster":{"name":"kube_default_a_443~1","alt_stat_name":"kube_default_a_443","transport_socket":{"typed_config":{
				"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext","sni":"a.test",
				"common_tls_context":{"validation_context":{"trusted_ca":{"filename":"/x"}}}}}}}]}`)
		default:
			_, _ = fmt.Fprint(w, `{}`)
		}
	}))
	t.Cleanup(server.Close)
	admin, err := probe.NewAdmin(server.URL, server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// TestSettle: the configuration may come a moment later, in each of several
// proxies, one of which may just have been replaced; what they count is summed.
func TestSettle(t *testing.T) {
	t.Parallel()
	v := envoys{fakeEnvoy(t, 3), fakeEnvoy(t, 4)}
	s := subject{kind: kindService, namespace: "default", name: "a", port: 443}
	y := &way{lead: lead{route: &gatewayv1.HTTPRoute{}}}
	e := &diagnose.Evidence{Sent: true, Policy: &diagnose.Policy{}}
	gone, err := probe.NewAdmin("gone", "http://127.0.0.1:1", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	lists := []envoys{{gone, v[0]}, v}
	_, done, err := settle(t.Context(), func() (envoys, error) {
		found := lists[0]
		lists = lists[min(1, len(lists)-1):]
		return found, nil
	}, s, y, e)
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Live.Proxies) != 2 || e.Live.Proxies[0].Cluster == nil || e.Live.Proxies[1].Cluster == nil {
		t.Errorf("proxies %+v", e.Live.Proxies)
	}
	if got := e.Live.Before["ssl.handshake"]; got != 7 {
		t.Errorf("%d handshakes, want 7", got)
	}
}

func TestClusterOf(t *testing.T) {
	t.Parallel()
	route := &gatewayv1.HTTPRoute{}
	route.Namespace, route.Name = "default", "r"
	match := clusterOf(subject{kind: kindService, namespace: "default", name: "nginx", port: 8443}, &way{lead: lead{route, 1}})
	for name, want := range map[string]bool{
		"kube_default_nginx_8443":                           true,
		"outbound|8443||nginx.default.svc.cluster.local":    true,
		"outbound|8443||nginx.default2.svc.cluster.local":   false,
		"outbound|8443|v1|nginx.default.svc.cluster.local":  false,
		"httproute/default/r/rule/1":                        true,
		"httproute/default/r/rule/10":                       false,
		"kube_default_nginx_84430":                          false,
		"inbound|8443||nginx.default.svc.cluster.local":     false,
		"outbound|84430||nginx.default.svc.cluster.local":   false,
		"outbound|8443||xnginx.default.svc.cluster.local":   false,
		"outbound|8443||nginx.default.svc.other.local":      true,
		"outbound_.8443_._.nginx.default.svc.cluster.local": false,
	} {
		if got := match(name, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWinner: a policy that names the port, then a BackendTLSPolicy, then the
// older, then the first by name is in effect.
func TestWinner(t *testing.T) {
	t.Parallel()
	old, young := time.Unix(1, 0), time.Unix(2, 0)
	made := func(kind, name string, created time.Time, section string) *policy {
		return &policy{kind: kind, namespace: "default", name: name, created: created,
			targets: []policyTarget{{kindService, "nginx", section}}}
	}
	config := made(kindBackendConfigPolicy, "config", old, "")
	all := made(kindBackendTLSPolicy, "z", old, "")
	younger := made(kindBackendTLSPolicy, "a", young, "")
	sameAge := made(kindBackendTLSPolicy, "y", old, "")
	port := made(kindBackendTLSPolicy, "port", young, "https")
	elsewhere := made(kindBackendTLSPolicy, "elsewhere", old, "https")
	elsewhere.namespace = "other"
	s := subject{kind: kindService, namespace: "default", name: "nginx"}
	for _, test := range []struct {
		policies []*policy
		section  string
		want     *policy
	}{
		{[]*policy{config}, "https", config},
		{[]*policy{config, younger}, "https", younger},
		{[]*policy{younger, all}, "https", all},
		{[]*policy{all, sameAge}, "https", sameAge},
		{[]*policy{all, port, elsewhere}, "https", port},
		{[]*policy{port, all}, "http", all},
		{[]*policy{elsewhere}, "https", nil},
	} {
		w := &world{policies: test.policies}
		if got := w.winner(s, test.section); got != test.want {
			t.Errorf("%d policies, port %s: %+v, want %+v", len(test.policies), test.section, got, test.want)
		}
	}
}
