// Package metrics counts what the controller does, for Prometheus. In go
// calls of the other parts, which know nothing of Prometheus, and a State that
// is asked for at every scrape; out comes an http.Handler for /metrics.
//
// Every replica counts what it does itself; only the leader writes. Besides
// the metrics of Go and of the process there are:
//
//	name                                             labels           what it says
//	tlsgw_build_info                                 version          1
//	tlsgw_leader                                                      1 on the replica that writes, else 0
//	tlsgw_ready                                                       1 while /readyz says so, else 0
//	tlsgw_gateways                                                    Gateways that are served
//	tlsgw_held_gateways                                               those that keep what they run until it is certain that no TLS policy is missed
//	tlsgw_xds_connected_proxies                                       proxies with a stream to this replica
//	tlsgw_gateway_proxies                            namespace, name  proxies of a Gateway at all replicas
//	tlsgw_gateway_rejections                         namespace, name  what the proxies of a Gateway reject
//	tlsgw_xds_responses_total                        type             responses sent to proxies
//	tlsgw_xds_answers_total                          type, result     ack and nack of proxies
//	tlsgw_xds_push_duration_seconds                                   from a snapshot to its first response to a proxy
//	tlsgw_translation_duration_seconds                                one translation of everything
//	tlsgw_translation_failures_total                                  translations that panicked
//	tlsgw_status_writes_total                        kind, result     statuses written; result is success, conflict or error
//	tlsgw_deploy_writes_total                        kind, result     writes of what is deployed for Gateways
//	tlsgw_xds_authority_expiry_timestamp_seconds                      when the CA ends that signs
//	tlsgw_xds_certificate_expiry_timestamp_seconds                    when this replica's own certificate ends
//
// Types are cluster, endpoint, listener, route and secret. The labels namespace
// and name are on gauges of Gateways alone, of which there are hundreds at most.
package metrics

import (
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	namespace = "tlsgw"

	labelKind, labelResult, labelType = "kind", "result", "type"
)

// Metrics are one replica's. Make them with New.
type Metrics struct {
	registry *prometheus.Registry

	responses, answers  *prometheus.CounterVec
	pushes              prometheus.Histogram
	translations        prometheus.Histogram
	failures            prometheus.Counter
	statuses, deployeds *prometheus.CounterVec
}

// New makes metrics of a controller of the given version. state is called at
// every scrape, by several goroutines at the same time.
func New(version string, state func() State) *Metrics {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	durations := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: name, Help: help,
			// From half a millisecond to half a minute.
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 17),
		})
	}
	m := &Metrics{
		registry:     prometheus.NewRegistry(),
		responses:    counters("xds_responses_total", "Responses sent to proxies.", labelType),
		answers:      counters("xds_answers_total", "What proxies answered to responses: ack or nack.", labelType, labelResult),
		pushes:       durations("xds_push_duration_seconds", "Time from a snapshot to its first response to a proxy."),
		translations: durations("translation_duration_seconds", "Time of one translation of everything."),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "translation_failures_total", Help: "Translations that panicked.",
		}),
		statuses:  counters("status_writes_total", "Writes of statuses.", labelKind, labelResult),
		deployeds: counters("deploy_writes_total", "Writes of what is deployed for Gateways.", labelKind, labelResult),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "The version of the controller.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, newStateCollector(state),
		m.responses, m.answers, m.pushes, m.translations, m.failures, m.statuses, m.deployeds,
	)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Sent counts a response to a proxy.
func (m *Metrics) Sent(typeURL string) { m.responses.WithLabelValues(typeOf(typeURL)).Inc() }

// Answered counts a proxy's answer.
func (m *Metrics) Answered(typeURL string, accepted bool) {
	result := "ack"
	if !accepted {
		result = "nack"
	}
	m.answers.WithLabelValues(typeOf(typeURL), result).Inc()
}

// Pushed observes how long after its snapshot a change was first sent to a
// proxy.
func (m *Metrics) Pushed(after time.Duration) { m.pushes.Observe(after.Seconds()) }

// Translated observes a translation.
func (m *Metrics) Translated(took time.Duration, err error) {
	if err != nil {
		m.failures.Inc()
		return
	}
	m.translations.Observe(took.Seconds())
}

// WroteStatus counts a write of the status of an object of a kind.
func (m *Metrics) WroteStatus(kind string, err error) {
	m.statuses.WithLabelValues(kind, result(err)).Inc()
}

// Deployed counts a write of an object of a kind that is deployed for a
// Gateway.
func (m *Metrics) Deployed(kind string, err error) {
	m.deployeds.WithLabelValues(kind, result(err)).Inc()
}

func result(err error) string {
	switch {
	case err == nil:
		return "success"
	case apierrors.IsConflict(err):
		return "conflict"
	default:
		return "error"
	}
}

// typeOf makes "cluster" of ".../envoy.config.cluster.v3.Cluster".
func typeOf(typeURL string) string {
	message := strings.TrimPrefix(path.Ext(typeURL), ".")
	switch message {
	case "Cluster", "Listener", "Secret":
		return strings.ToLower(message)
	case "ClusterLoadAssignment":
		return "endpoint"
	case "RouteConfiguration":
		return "route"
	}
	return "other"
}
