package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func used() *Metrics {
	m := New("v1", func() State {
		return State{
			Leading: true, Held: 1, Connected: 2,
			Gateways:        []Gateway{{Namespace: "a", Name: "b", Proxies: 3, Rejections: 1}},
			AuthorityEnds:   time.Unix(1000, 0),
			CertificateEnds: time.Unix(2000, 0),
		}
	})
	for _, typeURL := range []string{
		resourcev3.ClusterType, resourcev3.EndpointType, resourcev3.ListenerType, resourcev3.RouteType, resourcev3.SecretType, "x/other",
	} {
		m.Sent(typeURL)
	}
	m.Answered(resourcev3.ClusterType, true)
	m.Answered(resourcev3.ClusterType, false)
	m.Pushed(time.Millisecond)
	m.Translated(time.Millisecond, nil)
	m.Translated(time.Millisecond, errors.New("panic"))
	m.WroteStatus("Gateway", nil)
	m.WroteStatus("Gateway", apierrors.NewConflict(schema.GroupResource{}, "x", nil))
	m.Deployed("Service", errors.New("no"))
	return m
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	families, err := used().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestScrape(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	used().Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	for _, want := range []string{
		`tlsgw_build_info{version="v1"} 1`,
		"tlsgw_leader 1", "tlsgw_ready 0", "tlsgw_gateways 1", "tlsgw_held_gateways 1", "tlsgw_xds_connected_proxies 2",
		`tlsgw_gateway_proxies{name="b",namespace="a"} 3`, `tlsgw_gateway_rejections{name="b",namespace="a"} 1`,
		`tlsgw_xds_responses_total{type="cluster"} 1`, `tlsgw_xds_responses_total{type="endpoint"} 1`,
		`tlsgw_xds_responses_total{type="listener"} 1`, `tlsgw_xds_responses_total{type="route"} 1`,
		`tlsgw_xds_responses_total{type="secret"} 1`, `tlsgw_xds_responses_total{type="other"} 1`,
		`tlsgw_xds_answers_total{result="ack",type="cluster"} 1`, `tlsgw_xds_answers_total{result="nack",type="cluster"} 1`,
		"tlsgw_xds_push_duration_seconds_count 1", "tlsgw_translation_duration_seconds_count 1", "tlsgw_translation_failures_total 1",
		`tlsgw_status_writes_total{kind="Gateway",result="success"} 1`, `tlsgw_status_writes_total{kind="Gateway",result="conflict"} 1`,
		`tlsgw_deploy_writes_total{kind="Service",result="error"} 1`,
		"tlsgw_xds_authority_expiry_timestamp_seconds 1000", "tlsgw_xds_certificate_expiry_timestamp_seconds 2000",
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("no %s in the answer", want)
		}
	}
}

// Every metric is in the table of the package comment.
func TestTheTableIsComplete(t *testing.T) {
	t.Parallel()
	table := packageComment(t)
	families, err := used().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), namespace+"_") && !strings.Contains(table, "\t"+f.GetName()+" ") {
			t.Errorf("%s is not in the table", f.GetName())
		}
	}
}
