package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// setting is one field of a BackendConfigPolicy that counts by itself: of the
// policies on one backend that set it, the oldest decides. A section whose
// fields make sense together only, as loadBalancer, is one setting.
type setting struct {
	// field is its path below spec.
	field string
	apply func(*ir.Cluster)
}

// settings are those of one policy, and what is wrong with others.
type settings struct {
	list []setting
	errs []string
}

func (s *settings) add(field string, apply func(*ir.Cluster)) {
	s.list = append(s.list, setting{field: field, apply: apply})
}

func (s *settings) refuse(field, format string, args ...any) {
	s.errs = append(s.errs, "spec."+field+": "+fmt.Sprintf(format, args...))
}

// connectionSettings evaluates all sections but tls. A field that Envoy would
// reject is refused by name, and the others count.
func connectionSettings(spec *v1alpha1.BackendConfigPolicySpec) settings {
	s := settings{}
	s.connection(spec)
	s.dns(spec.DNS)
	s.keepalive(spec.TCPKeepalive)
	s.proxyProtocol(spec.UpstreamProxyProtocol)
	s.httpOptions(spec.CommonHTTPProtocolOptions)
	s.http1Options(spec.HTTP1ProtocolOptions, spec.HTTP2ProtocolOptions != nil)
	s.http2Options(spec.HTTP2ProtocolOptions, spec.HTTP1ProtocolOptions != nil)
	s.loadBalancer(spec.LoadBalancer)
	s.healthCheck(spec.HealthCheck)
	s.outlierDetection(spec.OutlierDetection)
	s.circuitBreakers(spec.CircuitBreakers)
	return s
}

// ensure makes what p points to where it is missing.
func ensure[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// clone gives an own copy of what p points to, empty where it is nil.
func clone[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	c := *p
	return &c
}

func connectionOf(c *ir.Cluster) *ir.Connection { return ensure(&c.Connection) }

// span is a range of durations; a maximum of zero is none.
type span struct{ least, most time.Duration }

// parse checks a duration against its schema, which has whole numbers of h, m,
// s and ms only, and against the span.
func (s *settings) parse(field string, d v1alpha1.Duration, within span) (time.Duration, bool) {
	parsed, err := d.Parse()
	switch {
	case err != nil || strings.ContainsAny(string(d), ".+-nuµμ"):
		s.refuse(field, "%q is not a duration, as 500ms or 1m30s", string(d))
	case parsed < within.least:
		s.refuse(field, "%s is less than %s, the least that is served", d, within.least)
	case within.most > 0 && parsed > within.most:
		s.refuse(field, "%s is more than %s, the most that is served", d, within.most)
	default:
		return parsed, true
	}
	return 0, false
}

// duration adds a duration where it is set and valid.
func (s *settings) duration(field string, d *v1alpha1.Duration, within span, set func(*ir.Cluster, *time.Duration)) {
	if d == nil {
		return
	}
	if parsed, ok := s.parse(field, *d, within); ok {
		s.add(field, func(c *ir.Cluster) { set(c, &parsed) })
	}
}

// limits is a range of numbers, both ends included.
type limits struct{ least, most int64 }

// fits checks a number.
func (s *settings) fits(field string, n int64, within limits) bool {
	if n < within.least || n > within.most {
		s.refuse(field, "%d is not from %d to %d", n, within.least, within.most)
		return false
	}
	return true
}

// number adds a number where it is set and valid. All maxima are below 2^32.
func (s *settings) number(field string, n *int32, within limits, set func(*ir.Cluster, *uint32)) {
	if n == nil || !s.fits(field, int64(*n), within) {
		return
	}
	value := uint32(*n) //nolint:gosec // It is within limits, which are not negative.
	s.add(field, func(c *ir.Cluster) { set(c, &value) })
}

// flag adds a flag where it is set.
func (s *settings) flag(field string, b *bool, set func(*ir.Cluster, *bool)) {
	if b != nil {
		value := *b
		s.add(field, func(c *ir.Cluster) { set(c, &value) })
	}
}

// merged is what the policies of one backend make of its connections.
type merged struct {
	// cluster has ConnectTimeout and Connection only.
	cluster ir.Cluster
	// deciders are the policies that decide a field, by its path.
	deciders map[string]ir.Ref
	// lost says, for each policy, which of its fields another one decides.
	lost map[ir.Name][]string
	// policies are the deciders, in order of precedence.
	policies []ir.Ref
}

// connection merges the policies of a backend, once.
func (t *translation) connection(target ir.Ref) *merged {
	if known, ok := t.connections[target]; ok {
		return known
	}
	m := &merged{deciders: map[string]ir.Ref{}, lost: map[ir.Name][]string{}}
	t.connections[target] = m
	for _, policy := range t.configPoliciesOf(target) {
		evaluated := t.backendConfigPolicy(policy)
		if evaluated.accepted != nil {
			continue
		}
		m.take(configPolicyRef(policy), evaluated.settings.list)
	}
	return m
}

func (m *merged) take(policy ir.Ref, list []setting) {
	decides := false
	for _, one := range list {
		if winner, taken := m.deciders[one.field]; taken {
			m.lost[policy.Name] = append(m.lost[policy.Name], fmt.Sprintf("spec.%s by %s", one.field, describe(winner)))
			continue
		}
		m.deciders[one.field] = policy
		one.apply(&m.cluster)
		decides = true
	}
	if decides {
		m.policies = append(m.policies, policy)
	}
}

// connect gives a cluster what policies say of its connections, and notes what
// of it cannot take effect on this one.
func (t *translation) connect(b *backend, cluster *ir.Cluster) {
	m := t.connection(b.target)
	if m.cluster.ConnectTimeout != 0 {
		cluster.ConnectTimeout = m.cluster.ConnectTimeout
	}
	if m.cluster.Connection == nil {
		return
	}
	cluster.Connection = clone(m.cluster.Connection)
	if check := cluster.Connection.HealthCheck; check != nil {
		cluster.Connection.HealthCheck = withHost(check, b.target, cluster)
	}
	for _, idle := range idleSettings(cluster, b.reach) {
		for field, policy := range m.deciders {
			if !within(field, idle.field) && !within(idle.field, field) {
				continue
			}
			t.note(policy.Name, b.target, fmt.Sprintf("spec.%s has no effect on %s%s: %s", idle.field, describe(b.target), portSuffix(b), idle.why))
		}
	}
}

// withOrigins adds the policies that shaped a cluster to those that are known.
func withOrigins(origin, policies []ir.Ref) []ir.Ref {
	for _, policy := range policies {
		if !slices.Contains(origin, policy) {
			origin = append(origin, policy)
		}
	}
	return origin
}

func portSuffix(b *backend) string {
	if b.portName == "" {
		return ""
	}
	return " port " + b.portName
}

// note records a remark on a policy for one of its targets.
func (t *translation) note(policy ir.Name, target ir.Ref, text string) {
	key := noteKey{policy: policy, target: target}
	if !slices.Contains(t.notes[key], text) {
		t.notes[key] = append(t.notes[key], text)
		slices.Sort(t.notes[key])
	}
}

type noteKey struct {
	policy ir.Name
	target ir.Ref
}

// within tells whether a path is another one, or below it.
func within(path, above string) bool { return path == above || strings.HasPrefix(path, above+".") }

// idleSetting is a field that has no effect on a cluster.
type idleSetting struct{ field, why string }

// idleSettings are what kgateway's controller only logs.
func idleSettings(c *ir.Cluster, how reach) []idleSetting {
	connection := c.Connection
	idle := idleHTTP(c, how)
	add := func(is bool, field, why string) {
		if is {
			idle = append(idle, idleSetting{field, why})
		}
	}
	_, http2 := c.Protocols()
	check := connection.HealthCheck
	add(connection.DNS != nil && c.Discovery != ir.DiscoverDNS, "dns", "its endpoints are addresses, which are not resolved")
	add(check != nil && c.Passthrough && check.TCP == nil, healthCheck, "a TLSRoute passes TLS through to it, so that the proxy has none of its own to probe with: use tcp")
	add(check != nil && c.Passthrough && check.TCP != nil && check.TCP.Send != "", healthCheck+".tcp.send",
		"a TLSRoute passes TLS through to it, and the proxy sends nothing in plaintext: the probe only connects")
	add(check != nil && !c.Passthrough && check.GRPC != nil && !http2, healthCheck, "grpc needs HTTP/2, and "+speaksHTTP1)
	if balancer := connection.LoadBalancer; balancer != nil {
		add(balancer.HashHostnames && c.Discovery != ir.DiscoverDNS, hashing(balancer)+".useHostnameForHashing", "its endpoints are addresses without names")
		add(balancer.ZoneAware != nil, loadBalancer+".zoneAware", "the proxies do not know their zone, so that all zones are alike")
	}
	return idle
}

const speaksHTTP1 = "it speaks HTTP/1.1: an appProtocol of kubernetes.io/h2c, or h2 in the ALPN protocols of its TLS, chooses HTTP/2"

func idleHTTP(c *ir.Cluster, how reach) []idleSetting {
	http1, http2 := c.Protocols()
	why1, why2, whyAny := "it speaks HTTP/2", speaksHTTP1, ""
	if how == reachBytes || how == reachThrough {
		http1, http2, whyAny = false, false, "a TLSRoute sends it bytes, not requests"
		why1, why2 = whyAny, whyAny
	}
	var idle []idleSetting
	if c.Connection.HTTP != nil && whyAny != "" {
		idle = append(idle, idleSetting{"commonHttpProtocolOptions", whyAny})
	}
	if whyAny != "" && hashesRequests(c.Connection.LoadBalancer) {
		idle = append(idle, idleSetting{hashing(c.Connection.LoadBalancer) + ".hashPolicies", "a TLSRoute sends it bytes, which have no header or cookie"})
	}
	if c.Connection.HTTP1 != nil && !http1 {
		idle = append(idle, idleSetting{"http1ProtocolOptions", why1})
	}
	if c.Connection.HTTP2 != nil && !http2 {
		idle = append(idle, idleSetting{"http2ProtocolOptions", why2})
	}
	return idle
}

// hashing is the field of a method that hashes.
func hashing(b *ir.LoadBalancer) string {
	if b.Method == ir.Maglev {
		return loadBalancer + ".maglev"
	}
	return loadBalancer + ".ringHash"
}

func hashesRequests(b *ir.LoadBalancer) bool {
	return b != nil && slices.ContainsFunc(b.Hash, func(p ir.HashPolicy) bool { return p.Header != "" || p.Cookie != nil })
}
