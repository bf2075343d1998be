package translate

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const healthCheck = "healthCheck"

// maxProbe bounds the wait for a probe's answer: a proxy that starts serves
// nobody until every endpoint has answered its first probe or failed to.
const maxProbe = 10 * time.Second

const (
	maxProbeHex      = 1024
	maxProbeReceives = 16
)

// healthCheck is one setting: its parts are of one probe.
func (s *settings) healthCheck(spec *v1alpha1.HealthCheck) {
	if spec == nil {
		return
	}
	found := len(s.errs)
	check := &ir.HealthCheck{}
	check.Timeout, _ = s.parse(healthCheck+".timeout", spec.Timeout, span{least: time.Millisecond, most: maxProbe})
	check.Interval, _ = s.parse(healthCheck+".interval", spec.Interval, inPeace())
	if s.fits(healthCheck+".unhealthyThreshold", int64(spec.UnhealthyThreshold), anyNumber()) {
		check.UnhealthyThreshold = *unsigned(spec.UnhealthyThreshold)
	}
	if s.fits(healthCheck+".healthyThreshold", int64(spec.HealthyThreshold), anyNumber()) {
		check.HealthyThreshold = *unsigned(spec.HealthyThreshold)
	}
	s.setProbe(check, spec)
	if len(s.errs) == found {
		s.add(healthCheck, func(c *ir.Cluster) { connectionOf(c).HealthCheck = check })
	}
}

func (s *settings) setProbe(check *ir.HealthCheck, spec *v1alpha1.HealthCheck) {
	kinds := 0
	for _, isSet := range []bool{spec.HTTP != nil, spec.GRPC != nil, spec.TCP != nil} {
		if isSet {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		s.refuse(healthCheck, "exactly one of http, grpc and tcp is required, %d are set", kinds)
	case spec.HTTP != nil:
		s.setHTTPProbe(check, spec.HTTP)
	case spec.GRPC != nil:
		check.GRPC = &ir.GRPCHealthCheck{}
		if spec.GRPC.ServiceName != nil {
			check.GRPC.Service = *spec.GRPC.ServiceName
		}
		s.setProbeHost(check, healthCheck+".grpc.authority", spec.GRPC.Authority)
	default:
		s.setTCPProbe(check, spec.TCP)
	}
}

func (s *settings) setHTTPProbe(check *ir.HealthCheck, spec *v1alpha1.HTTPHealthCheck) {
	check.HTTP = &ir.HTTPHealthCheck{Path: spec.Path}
	if !strings.HasPrefix(spec.Path, "/") || !printable(spec.Path) {
		s.refuse(healthCheck+".http.path", "%q is not a path, as /healthz", spec.Path)
	}
	s.setProbeHost(check, healthCheck+".http.host", spec.Host)
	if spec.Method == nil {
		return
	}
	check.HTTP.Method = *spec.Method
	if methods := probeMethods(); !slices.Contains(methods, *spec.Method) {
		s.refuse(healthCheck+".http.method", "%q is not one of %s", *spec.Method, strings.Join(methods, ", "))
	}
}

func probeMethods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"}
}

func (s *settings) setProbeHost(check *ir.HealthCheck, field string, host *string) {
	if host == nil || *host == "" {
		return
	}
	check.Host = *host
	if !printable(*host) || strings.ContainsAny(*host, `/?#@\`) {
		s.refuse(field, "%q is not a host", *host)
	}
}

func (s *settings) setTCPProbe(check *ir.HealthCheck, spec *v1alpha1.TCPHealthCheck) {
	check.TCP = &ir.TCPHealthCheck{}
	if spec.Send != nil {
		check.TCP.Send = s.hexBytes(healthCheck+".tcp.send", *spec.Send)
	}
	if len(spec.Receive) > maxProbeReceives {
		s.refuse(healthCheck+".tcp.receive", "there are %d, and at most %d are served", len(spec.Receive), maxProbeReceives)
	}
	for i, bytes := range spec.Receive {
		check.TCP.Receive = append(check.TCP.Receive, s.hexBytes(fmt.Sprintf("%s.tcp.receive[%d]", healthCheck, i), bytes))
	}
	if len(spec.Receive) > 0 && spec.Send == nil {
		s.refuse(healthCheck+".tcp.receive", "it needs send")
	}
}

func (s *settings) hexBytes(field string, bytes v1alpha1.HexBytes) string {
	if decoded, err := hex.DecodeString(string(bytes)); err != nil || len(decoded) == 0 || len(bytes) > maxProbeHex {
		s.refuse(field, "it must have 1 to %d pairs of hexadecimal digits", maxProbeHex/2)
	}
	return strings.ToLower(string(bytes))
}

// withHost fills in the name that probes ask for, where the policy gives none:
// the SNI, so that a probe is answered by what answers requests; for a Service
// its DNS name. Empty leaves it to each endpoint's own host.
func withHost(check *ir.HealthCheck, target ir.Ref, cluster *ir.Cluster) *ir.HealthCheck {
	if check.TCP != nil || check.Host != "" {
		return check
	}
	named := clone(check)
	switch {
	case cluster.TLS != nil && cluster.TLS.SNI != "":
		named.Host = cluster.TLS.SNI
	case target.Kind == kindService && cluster.Discovery == ir.DiscoverEDS:
		named.Host = target.Name.Name + "." + target.Namespace + ".svc"
	}
	return named
}

func (s *settings) outlierDetection(spec *v1alpha1.OutlierDetection) {
	if spec == nil {
		return
	}
	const section = "outlierDetection."
	outliers := func(c *ir.Cluster) *ir.OutlierDetection { return ensure(&connectionOf(c).OutlierDetection) }
	if *spec == (v1alpha1.OutlierDetection{}) {
		s.add("outlierDetection", func(c *ir.Cluster) { outliers(c) })
	}
	s.number(section+"consecutive5xx", spec.Consecutive5xx, anyNumber(), func(c *ir.Cluster, n *uint32) { outliers(c).Consecutive5xx = n })
	s.duration(section+"interval", spec.Interval, inPeace(), func(c *ir.Cluster, d *time.Duration) { outliers(c).Interval = d })
	s.duration(section+"baseEjectionTime", spec.BaseEjectionTime, sometime(), func(c *ir.Cluster, d *time.Duration) { outliers(c).BaseEjectionTime = d })
	s.number(section+"maxEjectionPercent", spec.MaxEjectionPercent, percent(), func(c *ir.Cluster, n *uint32) { outliers(c).MaxEjectionPercent = n })
	s.number(section+"enforcingConsecutive5xx", spec.EnforcingConsecutive5xx, percent(), func(c *ir.Cluster, n *uint32) { outliers(c).EnforcingConsecutive5xx = n })
	s.flag(section+"splitExternalLocalOriginErrors", spec.SplitExternalLocalOriginErrors,
		func(c *ir.Cluster, b *bool) { outliers(c).SplitExternalLocalOriginErrors = b })
	s.number(section+"consecutiveLocalOriginFailure", spec.ConsecutiveLocalOriginFailure, limits{0, math.MaxInt32},
		func(c *ir.Cluster, n *uint32) { outliers(c).ConsecutiveLocalOriginFailure = n })
	s.number(section+"enforcingConsecutiveLocalOriginFailure", spec.EnforcingConsecutiveLocalOriginFailure, percent(),
		func(c *ir.Cluster, n *uint32) { outliers(c).EnforcingConsecutiveLocalOriginFailure = n })
}
