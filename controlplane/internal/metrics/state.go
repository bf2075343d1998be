package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is so at the moment of a scrape.
type State struct {
	Leading, Ready bool
	// Held counts the Gateways that are held, and Connected the proxies that
	// are connected to this replica.
	Held, Connected int
	Gateways        []Gateway
	// AuthorityEnds and CertificateEnds are zero where that is not known.
	AuthorityEnds, CertificateEnds time.Time
}

// Gateway is one that is served.
type Gateway struct {
	Namespace, Name string
	// Proxies counts those at all replicas, and Rejections what they reject.
	Proxies, Rejections int
}

// stateCollector makes gauges of a State: one that was counted up and down
// would keep the series of Gateways that are gone.
type stateCollector struct {
	state func() State

	leader, ready, gateways, held, connected *prometheus.Desc
	proxies, rejections                      *prometheus.Desc
	authority, certificate                   *prometheus.Desc
}

func newStateCollector(state func() State) *stateCollector {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &stateCollector{
		state:       state,
		leader:      gauge("leader", "Whether this replica writes."),
		ready:       gauge("ready", "Whether this replica is ready."),
		gateways:    gauge("gateways", "Gateways that are served."),
		held:        gauge("held_gateways", "Gateways that keep what they run until it is certain that no TLS policy is missed."),
		connected:   gauge("xds_connected_proxies", "Proxies with a stream to this replica."),
		proxies:     gauge("gateway_proxies", "Proxies of a Gateway at all replicas.", "namespace", "name"),
		rejections:  gauge("gateway_rejections", "What the proxies of a Gateway reject.", "namespace", "name"),
		authority:   gauge("xds_authority_expiry_timestamp_seconds", "When the CA ends that signs certificates of xDS."),
		certificate: gauge("xds_certificate_expiry_timestamp_seconds", "When this replica's certificate of xDS ends."),
	}
}

// Describe tells of every gauge.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.leader, c.ready, c.gateways, c.held, c.connected, c.proxies, c.rejections, c.authority, c.certificate,
	} {
		out <- d
	}
}

// Collect gives every gauge its value.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	s := c.state()
	set(c.leader, truth(s.Leading))
	set(c.ready, truth(s.Ready))
	set(c.gateways, float64(len(s.Gateways)))
	set(c.held, float64(s.Held))
	set(c.connected, float64(s.Connected))
	for _, g := range s.Gateways {
		set(c.proxies, float64(g.Proxies), g.Namespace, g.Name)
		set(c.rejections, float64(g.Rejections), g.Namespace, g.Name)
	}
	for d, end := range map[*prometheus.Desc]time.Time{c.authority: s.AuthorityEnds, c.certificate: s.CertificateEnds} {
		if !end.IsZero() {
			set(d, float64(end.Unix()))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
