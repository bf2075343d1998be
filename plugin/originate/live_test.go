package originate

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// fakeEnvoy serves an admin interface and a gateway. It has clusters of one
// stat name, of which the last takes the requests, and opens a connection
// where more requests come at once than it has connections open.
type fakeEnvoy struct {
	mu         sync.Mutex
	clusters   []*fakeCluster
	handshakes int
	requests   int
	active     map[net.Conn]bool
	// looks counts the config dumps; onLook is told each.
	looks  int
	onLook func(f *fakeEnvoy)
}

type fakeCluster struct {
	name, minimum string
	open          int
}

func (f *fakeEnvoy) admin(w http.ResponseWriter, request *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case request.URL.Path == "/stats":
		_, _ = fmt.Fprintf(w, `{"stats":[{"name":"cluster.stat.ssl.handshake","value":%d},{"name":"cluster.stat.upstream_rq_total","value":%d}]}`,
			f.handshakes, f.requests)
	case request.URL.Path == "/clusters":
		var all []string
		for _, c := range f.clusters {
			all = append(all, fmt.Sprintf(`{"name":%q,"host_statuses":[{"stats":[{"name":"cx_total","value":"%d"}]}]}`, c.name, c.open))
		}
		_, _ = fmt.Fprintf(w, `{"cluster_statuses":[%s]}`, strings.Join(all, ","))
	case request.URL.Query().Get("resource") == "dynamic_active_clusters":
		if f.looks++; f.onLook != nil {
			f.onLook(f)
		}
		var all []string
		for _, c := range f.clusters {
			all = append(all, c.dump())
		}
		_, _ = fmt.Fprintf(w, `{"configs":[%s]}`, strings.Join(all, ","))
	default:
		_, _ = w.Write([]byte(`{}`))
	}
}

func (c *fakeCluster) dump() string {
	name, _ := json.Marshal(c.name)
	return `{"cluster":{"name":` + string(name) + `,"alt_stat_name":"stat","transport_socket":{"typed_config":{
		"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext","sni":"example.com",
		"common_tls_context":{"tls_params":{"tls_minimum_protocol_version":"` + c.minimum + `","tls_maximum_protocol_version":"TLSv1_3"},
		"combined_validation_context":{"default_validation_context":{"match_typed_subject_alt_names":[
		{"san_type":"DNS","matcher":{"exact":"example.com"}}]},"validation_context_sds_secret_config":{"name":"trust/default/configmap/ca"}}}}}}}`
}

func (f *fakeEnvoy) serve(http.ResponseWriter, *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	last := f.clusters[len(f.clusters)-1]
	if wanted := len(f.active); wanted > last.open {
		f.handshakes += wanted - last.open
		last.open = wanted
	}
}

func (f *fakeEnvoy) connState(conn net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch state {
	case http.StateNew:
		f.active[conn] = true
	case http.StateClosed:
		delete(f.active, conn)
	default:
	}
}

// watch is a look at the Gateway before an apply of minTLS at a generation of
// the policy.
func (f *fakeEnvoy) watch(t *testing.T, minTLS string, generation int64) *liveGateway {
	t.Helper()
	f.active = map[net.Conn]bool{}
	adminServer := httptest.NewServer(http.HandlerFunc(f.admin))
	t.Cleanup(adminServer.Close)
	gatewayServer := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	gatewayServer.Config.ConnState = f.connState
	gatewayServer.Start()
	t.Cleanup(gatewayServer.Close)
	admin, err := probe.NewAdmin("test", adminServer.URL, adminServer.Client())
	if err != nil {
		t.Fatal(err)
	}
	address := gatewayServer.Listener.Addr().String()
	live := &liveGateway{
		run: &run{
			o:       &Options{Timeout: time.Minute},
			backend: &backend{statName: "stat"},
			spec: scaffold.Spec{SNI: "example.com", MinTLS: minTLS, Trust: scaffold.Trust{ConfigMap: "ca"},
				Target: scaffold.Target{Kind: scaffold.Service, Name: "nginx"}},
		},
		name: "default/http", admins: []*probe.Admin{admin}, controller: ownController,
		dialer:  &kube.Dialer{Address: address, Dial: dialTo(address)},
		request: probe.Request{Method: "GET", Host: "example.com", Path: "/"},
	}
	if live.baseline, err = live.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	live.generation = generation
	if live.connected, err = live.connections(t.Context()); err != nil {
		t.Fatal(err)
	}
	return live
}

func dialTo(address string) probe.Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// TestUnchangedPolicyNeedsNoHandshake: what answers over an open connection is
// good enough, and is not called a handshake.
func TestUnchangedPolicyNeedsNoHandshake(t *testing.T) {
	t.Parallel()
	f := &fakeEnvoy{clusters: []*fakeCluster{{"stat~a", "TLSv1_2", 8}}, handshakes: 8}
	live := f.watch(t, "", 1)
	if err := live.awaitCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	reused, err := live.awaitHandshake(t.Context(), 1)
	if err != nil || !reused || f.handshakes != 8 {
		t.Errorf("reused %v, error %v, %d handshakes", reused, err, f.handshakes)
	}
}

// TestChangedPolicyMakesAHandshake: a policy that goes back to settings of
// which Envoy still has a cluster meets its open connections.
func TestChangedPolicyMakesAHandshake(t *testing.T) {
	t.Parallel()
	f := &fakeEnvoy{clusters: []*fakeCluster{{"stat~b", "TLSv1_3", 2}, {"stat~a", "TLSv1_2", 5}}, handshakes: 7}
	live := f.watch(t, "", 1)
	if err := live.awaitCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	reused, err := live.awaitHandshake(t.Context(), 2)
	if err != nil || reused || f.handshakes <= 7 {
		t.Errorf("reused %v, error %v, %d handshakes", reused, err, f.handshakes)
	}
}

// TestPolicyMadeAgainAtOnce: Envoy still has the cluster and its connections,
// more of them than requests can be in flight at once.
func TestPolicyMadeAgainAtOnce(t *testing.T) {
	t.Parallel()
	f := &fakeEnvoy{clusters: []*fakeCluster{{"stat~a", "TLSv1_2", 500}}, handshakes: 500}
	live := f.watch(t, "", 0)
	if err := live.awaitCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	reused, err := live.awaitHandshake(t.Context(), 1)
	if err != nil || !reused || f.requests < maxBurst || f.handshakes != 500 {
		t.Errorf("reused %v, error %v, %d requests, %d handshakes", reused, err, f.requests, f.handshakes)
	}
	// The requests may go to the settings of before.
	f.clusters = append(f.clusters, &fakeCluster{"stat~b", "TLSv1_3", 500})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if reused, err = live.awaitHandshake(ctx, 1); err == nil {
		t.Errorf("an answer of either cluster will do: reused %v", reused)
	}
}

// TestClusterThatCameAgain: the cluster that was counted before is removed
// after that, and the same one comes again, which counts from zero.
func TestClusterThatCameAgain(t *testing.T) {
	t.Parallel()
	f := &fakeEnvoy{clusters: []*fakeCluster{{"stat~a", "TLSv1_2", 500}}, handshakes: 500, requests: 9000}
	live := f.watch(t, "", 0)
	f.clusters[0].open, f.handshakes, f.requests = 0, 0, 0
	if err := live.awaitCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if reused, err := live.awaitHandshake(ctx, 1); err != nil || reused {
		t.Errorf("reused %v, error %v, %d handshakes", reused, err, f.handshakes)
	}
}

// TestOldHandshakesDoNotCount: while Envoy still has the settings of before,
// it shakes hands with them, for anybody.
func TestOldHandshakesDoNotCount(t *testing.T) {
	t.Parallel()
	f := &fakeEnvoy{clusters: []*fakeCluster{{"stat~a", "TLSv1_2", 5}}, handshakes: 5}
	live := f.watch(t, "1.3", 1)
	f.looks, f.onLook = 0, func(f *fakeEnvoy) {
		f.handshakes++
		f.clusters[0].open++
		if f.looks == 4 {
			f.clusters = append(f.clusters, &fakeCluster{"stat~b", "TLSv1_3", 0})
		}
	}
	if err := live.awaitCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.looks != 4 {
		t.Errorf("the settings were taken for live at look %d", f.looks)
	}
	f.onLook = nil
	reused, err := live.awaitHandshake(t.Context(), 2)
	if err != nil || reused || f.clusters[1].open == 0 {
		t.Errorf("reused %v, error %v, %d connections of the new cluster", reused, err, f.clusters[1].open)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	live.run.spec.MinTLS = ""
	live.run.spec.SANs = []string{"other.example"}
	err = live.awaitCluster(ctx)
	if err == nil || !strings.Contains(strings.Join(fail.As(err).Details, " "), "Envoy has it with names DNS:example.com") {
		t.Errorf("other names are taken for live: %v", err)
	}
}
