package translate

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// anyNumber are the numbers that a field of type int32 takes in the API.
func anyNumber() limits { return limits{0, math.MaxInt32} }

// atLeastOne are those without zero.
func atLeastOne() limits { return limits{1, math.MaxInt32} }

func percent() limits { return limits{0, 100} }

// anyTime includes zero.
func anyTime() span { return span{} }

// sometime is above zero. A millisecond is the least that the API can say.
func sometime() span { return span{least: time.Millisecond} }

// leastPause is the least time between what a proxy does by itself, again and
// again: one policy could keep all of it busy.
const leastPause = 100 * time.Millisecond

// inPeace is at least that.
func inPeace() span { return span{least: leastPause} }

func (s *settings) connection(spec *v1alpha1.BackendConfigPolicySpec) {
	s.duration("connectTimeout", spec.ConnectTimeout, sometime(), func(c *ir.Cluster, d *time.Duration) { c.ConnectTimeout = *d })
	s.number("perConnectionBufferLimitBytes", spec.PerConnectionBufferLimitBytes, anyNumber(),
		func(c *ir.Cluster, n *uint32) { connectionOf(c).BufferLimit = n })
}

func (s *settings) dns(d *v1alpha1.DNS) {
	if d == nil {
		return
	}
	dns := func(c *ir.Cluster) *ir.DNS { return ensure(&connectionOf(c).DNS) }
	s.duration("dns.refreshRate", d.RefreshRate, inPeace(), func(c *ir.Cluster, d *time.Duration) { dns(c).RefreshRate = d })
	if s.jitterFits(d) {
		s.duration("dns.jitter", d.Jitter, anyTime(), func(c *ir.Cluster, d *time.Duration) { dns(c).Jitter = d })
	}
	s.flag("dns.respectTTL", d.RespectTTL, func(c *ir.Cluster, b *bool) { dns(c).RespectTTL = b })
}

// jitterFits holds one policy to the schema's rule.
func (s *settings) jitterFits(d *v1alpha1.DNS) bool {
	if d.Jitter == nil || d.RefreshRate == nil {
		return true
	}
	jitter, errJitter := d.Jitter.Parse()
	rate, errRate := d.RefreshRate.Parse()
	if errJitter == nil && errRate == nil && jitter > rate {
		s.refuse("dns.jitter", "%s is longer than refreshRate %s", *d.Jitter, *d.RefreshRate)
		return false
	}
	return true
}

// Linux takes no more of these for a socket, and Envoy would fail to connect.
const (
	maxKeepaliveProbes = 127
	maxKeepaliveTime   = 32767 * time.Second
)

func (s *settings) keepalive(k *v1alpha1.TCPKeepalive) {
	if k == nil {
		return
	}
	keepalive := func(c *ir.Cluster) *ir.Keepalive { return ensure(&connectionOf(c).Keepalive) }
	seconds := span{least: time.Second, most: maxKeepaliveTime}
	whole := func(d *time.Duration) *time.Duration {
		cut := d.Truncate(time.Second)
		return &cut
	}
	s.number("tcpKeepalive.keepAliveProbes", k.KeepAliveProbes, limits{0, maxKeepaliveProbes},
		func(c *ir.Cluster, n *uint32) { keepalive(c).Probes = n })
	s.duration("tcpKeepalive.keepAliveTime", k.KeepAliveTime, seconds, func(c *ir.Cluster, d *time.Duration) { keepalive(c).Idle = whole(d) })
	s.duration("tcpKeepalive.keepAliveInterval", k.KeepAliveInterval, seconds, func(c *ir.Cluster, d *time.Duration) { keepalive(c).Interval = whole(d) })
	if *k == (v1alpha1.TCPKeepalive{}) {
		s.add("tcpKeepalive", func(c *ir.Cluster) { keepalive(c) })
	}
}

func (s *settings) proxyProtocol(p *v1alpha1.UpstreamProxyProtocol) {
	if p == nil {
		return
	}
	version := v1alpha1.ProxyProtocolV1
	if p.Version != nil {
		version = *p.Version
	}
	number, known := map[v1alpha1.ProxyProtocolVersion]int{v1alpha1.ProxyProtocolV1: 1, v1alpha1.ProxyProtocolV2: 2}[version]
	if !known {
		s.refuse("upstreamProxyProtocol.version", "%q is unknown: use V1 or V2", version)
		return
	}
	s.add("upstreamProxyProtocol", func(c *ir.Cluster) { connectionOf(c).ProxyProtocol = number })
}

func (s *settings) httpOptions(o *v1alpha1.CommonHTTPProtocolOptions) {
	if o == nil {
		return
	}
	const section = "commonHttpProtocolOptions."
	options := func(c *ir.Cluster) *ir.HTTPOptions { return ensure(&connectionOf(c).HTTP) }
	s.duration(section+"idleTimeout", o.IdleTimeout, anyTime(), func(c *ir.Cluster, d *time.Duration) { options(c).IdleTimeout = d })
	s.duration(section+"maxConnectionDuration", o.MaxConnectionDuration, anyTime(),
		func(c *ir.Cluster, d *time.Duration) { options(c).MaxConnectionDuration = d })
	s.number(section+"maxHeadersCount", o.MaxHeadersCount, atLeastOne(), func(c *ir.Cluster, n *uint32) { options(c).MaxHeadersCount = n })
	s.duration(section+"maxStreamDuration", o.MaxStreamDuration, anyTime(), func(c *ir.Cluster, d *time.Duration) { options(c).MaxStreamDuration = d })
	s.number(section+"maxRequestsPerConnection", o.MaxRequestsPerConnection, anyNumber(),
		func(c *ir.Cluster, n *uint32) { options(c).MaxRequestsPerConnection = n })
}

func (s *settings) http1Options(o *v1alpha1.HTTP1ProtocolOptions, both bool) {
	if o == nil {
		return
	}
	if both {
		s.refuse("http1ProtocolOptions", "it and http2ProtocolOptions exclude each other")
		return
	}
	const section = "http1ProtocolOptions."
	if o.OldHeaderFormat != nil {
		s.refuse(section+"headerFormat", "it was renamed: use preserveHttp1HeaderCase: true")
	}
	options := func(c *ir.Cluster) *ir.HTTP1Options { return ensure(&connectionOf(c).HTTP1) }
	s.flag(section+"enableTrailers", o.EnableTrailers, func(c *ir.Cluster, b *bool) { options(c).EnableTrailers = b })
	s.flag(section+"preserveHttp1HeaderCase", o.PreserveHTTP1HeaderCase, func(c *ir.Cluster, b *bool) { options(c).PreserveHeaderCase = b })
	s.flag(section+"overrideStreamErrorOnInvalidHttpMessage", o.OverrideStreamErrorOnInvalidHTTPMessage,
		func(c *ir.Cluster, b *bool) { options(c).OverrideStreamError = b })
}

// windowBytes are the sizes of HTTP/2 windows: RFC 9113, 6.9.1.
func windowBytes() limits { return limits{65535, math.MaxInt32} }

func (s *settings) http2Options(o *v1alpha1.HTTP2ProtocolOptions, both bool) {
	if o == nil || both {
		return
	}
	const section = "http2ProtocolOptions."
	options := func(c *ir.Cluster) *ir.HTTP2Options { return ensure(&connectionOf(c).HTTP2) }
	s.quantity(section+"initialStreamWindowSize", o.InitialStreamWindowSize, func(c *ir.Cluster, n *uint32) { options(c).StreamWindow = n })
	s.quantity(section+"initialConnectionWindowSize", o.InitialConnectionWindowSize, func(c *ir.Cluster, n *uint32) { options(c).ConnectionWindow = n })
	s.number(section+"maxConcurrentStreams", o.MaxConcurrentStreams, atLeastOne(), func(c *ir.Cluster, n *uint32) { options(c).MaxConcurrentStreams = n })
	s.flag(section+"overrideStreamErrorOnInvalidHttpMessage", o.OverrideStreamErrorOnInvalidHTTPMessage,
		func(c *ir.Cluster, b *bool) { options(c).OverrideStreamError = b })
	if o.ConnectionKeepalive != nil {
		s.ping(section+"connectionKeepalive", o.ConnectionKeepalive, func(c *ir.Cluster, p *ir.Ping) { options(c).Ping = p })
	}
}

func (s *settings) quantity(field string, q *resource.Quantity, set func(*ir.Cluster, *uint32)) {
	if q == nil {
		return
	}
	within := windowBytes()
	if q.CmpInt64(within.least) < 0 || q.CmpInt64(within.most) > 0 {
		s.refuse(field, "%s is not from %d to %d bytes", q, within.least, within.most)
		return
	}
	bytes := q.Value() // It is rounded up, and cannot overflow within the limits.
	if q.CmpInt64(bytes) != 0 {
		s.refuse(field, "%s is not a whole number of bytes", q)
		return
	}
	value := uint32(bytes) //nolint:gosec // It is within the limits of a window.
	s.add(field, func(c *ir.Cluster) { set(c, &value) })
}

func (s *settings) ping(field string, k *v1alpha1.ConnectionKeepalive, set func(*ir.Cluster, *ir.Ping)) {
	ping := &ir.Ping{}
	timeout, ok := s.parse(field+".timeout", k.Timeout, sometime())
	ping.Timeout = timeout
	for _, part := range []struct {
		name   string
		from   *v1alpha1.Duration
		within span
		to     **time.Duration
	}{{"interval", k.Interval, inPeace(), &ping.Interval}, {"connectionIdleInterval", k.ConnectionIdleInterval, sometime(), &ping.IdleInterval}} {
		if part.from == nil {
			continue
		}
		parsed, valid := s.parse(field+"."+part.name, *part.from, part.within)
		*part.to = &parsed
		ok = ok && valid
	}
	if ok {
		s.add(field, func(c *ir.Cluster) { set(c, ping) })
	}
}

func (s *settings) circuitBreakers(b *v1alpha1.CircuitBreakers) {
	if b == nil {
		return
	}
	const section = "circuitBreakers."
	breakers := func(c *ir.Cluster) *ir.CircuitBreakers { return ensure(&connectionOf(c).CircuitBreakers) }
	s.number(section+"maxConnections", b.MaxConnections, atLeastOne(), func(c *ir.Cluster, n *uint32) { breakers(c).MaxConnections = n })
	s.number(section+"maxPendingRequests", b.MaxPendingRequests, atLeastOne(), func(c *ir.Cluster, n *uint32) { breakers(c).MaxPendingRequests = n })
	s.number(section+"maxRequests", b.MaxRequests, atLeastOne(), func(c *ir.Cluster, n *uint32) { breakers(c).MaxRequests = n })
	s.number(section+"maxRetries", b.MaxRetries, anyNumber(), func(c *ir.Cluster, n *uint32) { breakers(c).MaxRetries = n })
	s.flag(section+"trackRemaining", b.TrackRemaining, func(c *ir.Cluster, f *bool) { breakers(c).TrackRemaining = f })
}
