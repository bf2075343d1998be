package probe

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// admin serves files of testdata as an Envoy would: the name of the resource
// or path is the name of the file.
func admin(t *testing.T, files map[string]string) *Admin {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path
		if resource := r.URL.Query().Get("resource"); resource != "" {
			name = resource
		}
		content, found := files[name]
		if !found {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		if strings.HasPrefix(content, "status ") {
			http.Error(w, content, http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(server.Close)
	a, err := NewAdmin("test", server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func everything(string, string) bool { return true }

func TestClusters(t *testing.T) {
	t.Parallel()
	a := admin(t, map[string]string{
		"dynamic_active_clusters": file(t, "clusters.json"), "dynamic_warming_clusters": `{}`, "static_clusters": file(t, "static.json"),
	})
	clusters, err := a.Clusters(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Cluster{}
	for _, c := range clusters {
		got[c.Name] = c
	}
	want := map[string]*TLSContext{
		"kube_default_nginx_8443~0123456789": {SNI: "example.com", SANs: []string{"DNS:example.com", "URI:prefix spiffe://a/"},
			Trust: "secret trust/default/configmap/ca", MinVersion: "1.2", MaxVersion: "1.3", ALPN: []string{"h2"}, ClientCertificate: true},
		"inline":           {SNI: "a.test", Trust: "inline", CipherSuites: []string{"ECDHE-RSA-AES128-GCM-SHA256"}},
		"combined":         {SNI: "b.test", SANs: []string{"ANY:b.test"}, Trust: "secret SYSTEM"},
		"proxy-protocol":   {Trust: "file /etc/ca.crt", AutoSNI: true, AutoSANs: true},
		"accepts-anything": {SNI: "c.test"},
		"skips":            {SNI: "d.test"},
		"matches":          {SNI: "e.test", Trust: "system"},
		"pinned":           {SNI: "f.test", Trust: "pins", Pinned: true},
		"plain":            nil,
		"raw":              nil,
		"static":           nil,
	}
	for name, tls := range want {
		if diff := cmp.Diff(tls, got[name].TLS); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d clusters, want %d", len(got), len(want))
	}
	checkFirst(t, got)
}

func checkFirst(t *testing.T, got map[string]Cluster) {
	t.Helper()
	first := got["kube_default_nginx_8443~0123456789"]
	if first.StatName != "kube_default_nginx_8443" || first.Updated.IsZero() || first.Warming || !got["matches"].PlaintextMatch {
		t.Errorf("got %+v", first)
	}
	if got["plain"].Rejected != "bad cluster" || got["plain"].StatName != "plain" {
		t.Errorf("got %+v", got["plain"])
	}
	if !first.TLS.VerifiesName() || got["inline"].TLS.VerifiesName() || !got["pinned"].TLS.VerifiesName() || got["skips"].TLS.Verifies() || got["plain"].TLS.Verifies() {
		t.Error("what is verified is wrong")
	}
}

func TestClustersMatch(t *testing.T) {
	t.Parallel()
	a := admin(t, map[string]string{"dynamic_warming_clusters": file(t, "clusters.json")})
	clusters, err := a.Clusters(t.Context(), func(_, stat string) bool { return stat == "kube_default_nginx_8443" })
	if err != nil || len(clusters) != 1 || !clusters[0].Warming {
		t.Errorf("got %+v, %v", clusters, err)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	a := admin(t, map[string]string{"/clusters": file(t, "endpoints.json")})
	got, err := a.Endpoints(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	want := []Endpoint{
		{Address: "10.0.0.1:8443", ConnectFailures: 2, Connections: 5, ActiveConnections: 1},
		{Address: "[::1]:8443", Unhealthy: "failed_outlier_check"},
		{Address: "10.0.0.3:8443", Unhealthy: "draining"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if none, err := a.Endpoints(t.Context(), "y"); err != nil || none != nil {
		t.Errorf("unknown cluster: %v, %v", none, err)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	a := admin(t, map[string]string{
		"dynamic_active_secrets": `{"configs":[{"name":"good","secret":{"name":"good","validation_context":{"trusted_ca":{"inline_bytes":"eA=="}}}},
			{"name":"empty","secret":{"name":"empty","validation_context":{}}},
			{"name":"named","secret":{"name":"named","validation_context":{"trusted_ca":{"inline_bytes":"eA=="},
				"match_typed_subject_alt_names":[{"san_type":"DNS","matcher":{"exact":"a.test"}}]}}}]}`,
		"dynamic_warming_secrets": `{"configs":[{"name":"waits","secret":{"name":"waits"}},{"name":"good","error_state":{"details":"later"}}]}`,
	})
	for name, want := range map[string]Secret{
		"good": {Found: true, Trusts: true}, "empty": {Found: true}, "waits": {Found: true, Warming: true}, "none": {},
		"named": {Found: true, Trusts: true, SANs: []string{"DNS:a.test"}},
	} {
		got, err := a.Secret(t.Context(), name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	a := admin(t, map[string]string{"/stats": `{"stats":[
		{"name":"cluster.kube_a_b_1.ssl.handshake","value":3},
		{"name":"cluster.kube_a_b_1.upstream_cx_active","value":2},
		{"name":"cluster.kube_a_b_12.ssl.handshake","value":9},
		{"name":"cluster.kube_a_b_1.odd","value":"text"},
		{"histograms":{"supported_quantiles":[0]}}]}`})
	got, err := a.Stats(t.Context(), "kube_a_b_1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Stats{"ssl.handshake": 3, "upstream_cx_active": 2}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStatsArithmetic(t *testing.T) {
	t.Parallel()
	sum := Stats{"a": 1}
	sum.Add(Stats{"a": 2, "b": 1})
	if diff := cmp.Diff(Stats{"a": 3, "b": 1}, sum); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Stats{"a": 2}, sum.Since(Stats{"a": 1, "b": 5})); diff != "" {
		t.Error(diff)
	}
}

func TestAdminErrorsNameTheProxy(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"status 500", "not JSON", `{"configs":[`, `{"configs":[{"cluster":{"name":7}}]}`} {
		a := admin(t, map[string]string{"dynamic_active_clusters": answer, "/stats": answer})
		_, err := a.Clusters(t.Context(), everything)
		if err == nil || !strings.Contains(err.Error(), "of test") {
			t.Errorf("%s: %v", answer, err)
		}
	}
	a := admin(t, nil)
	if _, err := a.Stats(t.Context(), "x"); !errors.Is(err, errNotFound) {
		t.Errorf("got %v", err)
	}
}

// FuzzClusters: whatever a dump holds, reading it neither panics nor finds a
// TLS context that says that it verifies without saying by what.
func FuzzClusters(f *testing.F) {
	for _, name := range []string{"clusters.json", "static.json"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(content))
	}
	f.Fuzz(func(t *testing.T, dump string) {
		_ = eachElement(strings.NewReader(dump), "configs", func(raw json.RawMessage) error {
			cluster, ok, err := parseCluster(raw, everything)
			if err == nil && ok && cluster.TLS.Verifies() && cluster.TLS.Trust == "" {
				t.Error("verifies by nothing")
			}
			return nil
		})
	})
}
