package translate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	// maxRing is the largest ring that Envoy takes. A ring is made in every
	// proxy, again with each change of endpoints: maxRingMinimum, which a policy
	// may ask for, takes 3 MB and a tenth of a second.
	maxRing        = 8 * 1024 * 1024
	maxRingMinimum = 128 * 1024
	// leastChoices are the fewest endpoints that there is a choice of, and
	// mostChoices what a request may cost: Envoy draws as many as it is told to.
	leastChoices    = 2
	mostChoices     = 100
	maxHashPolicies = 16
	loadBalancer    = "loadBalancer"
)

// loadBalancer is one setting: its parts are of one method.
func (s *settings) loadBalancer(spec *v1alpha1.LoadBalancer) {
	if spec == nil {
		return
	}
	found := len(s.errs)
	balancer := &ir.LoadBalancer{CloseOnChange: isTrue(spec.CloseConnectionsOnHostSetChange)}
	if spec.OldUseHostnameForHashing != nil {
		s.refuse(loadBalancer+".useHostnameForHashing", "it has moved: use ringHash.useHostnameForHashing or maglev.useHostnameForHashing")
	}
	s.setMethod(balancer, spec)
	if n := spec.HealthyPanicThreshold; n != nil && s.fits(loadBalancer+".healthyPanicThreshold", int64(*n), percent()) {
		balancer.PanicThreshold = unsigned(*n)
	}
	balancer.MergeWindow = s.optional(loadBalancer+".updateMergeWindow", spec.UpdateMergeWindow, anyTime())
	s.setLocality(balancer, spec)
	if len(s.errs) == found {
		s.add(loadBalancer, func(c *ir.Cluster) { connectionOf(c).LoadBalancer = balancer })
	}
}

// optional parses a duration of a setting that has more parts.
func (s *settings) optional(field string, d *v1alpha1.Duration, within span) *time.Duration {
	if d == nil {
		return nil
	}
	parsed, ok := s.parse(field, *d, within)
	if !ok {
		return nil
	}
	return &parsed
}

// unsigned converts a number that was checked not to be negative.
func unsigned(n int32) *uint32 {
	u := uint32(n) //nolint:gosec // It was checked.
	return &u
}

func (s *settings) setMethod(balancer *ir.LoadBalancer, spec *v1alpha1.LoadBalancer) {
	methods := 0
	for _, isSet := range []bool{spec.LeastRequest != nil, spec.RoundRobin != nil, spec.RingHash != nil, spec.Maglev != nil, spec.Random != nil} {
		if isSet {
			methods++
		}
	}
	if methods != 1 {
		s.refuse(loadBalancer, "exactly one of leastRequest, roundRobin, ringHash, maglev and random is required, %d are set", methods)
		return
	}
	switch {
	case spec.LeastRequest != nil:
		balancer.Method, balancer.ChoiceCount = ir.LeastRequest, leastChoices
		if n := spec.LeastRequest.ChoiceCount; n != nil && s.fits(loadBalancer+".leastRequest.choiceCount", int64(*n), limits{leastChoices, mostChoices}) {
			balancer.ChoiceCount = *unsigned(*n)
		}
		balancer.SlowStart = s.slowStart(loadBalancer+".leastRequest.slowStart", spec.LeastRequest.SlowStart)
	case spec.RoundRobin != nil:
		balancer.Method = ir.RoundRobin
		balancer.SlowStart = s.slowStart(loadBalancer+".roundRobin.slowStart", spec.RoundRobin.SlowStart)
	case spec.RingHash != nil:
		s.setRing(balancer, spec.RingHash)
	case spec.Maglev != nil:
		balancer.Method, balancer.HashHostnames = ir.Maglev, isTrue(spec.Maglev.UseHostnameForHashing)
		balancer.Hash = s.hashPolicies(loadBalancer+".maglev.hashPolicies", spec.Maglev.HashPolicies)
	default:
		balancer.Method = ir.Random
	}
}

func (s *settings) setRing(balancer *ir.LoadBalancer, ring *v1alpha1.RingHash) {
	const section = loadBalancer + ".ringHash"
	balancer.Method, balancer.HashHostnames = ir.RingHash, isTrue(ring.UseHostnameForHashing)
	// These are Envoy's own defaults: one bound alone must fit them.
	least, most := int64(1024), int64(maxRing)
	for _, bound := range []struct {
		name  string
		from  *int64
		most  int64
		to    **uint64
		value *int64
	}{
		{"minimumRingSize", ring.MinimumRingSize, maxRingMinimum, &balancer.RingMinimum, &least},
		{"maximumRingSize", ring.MaximumRingSize, maxRing, &balancer.RingMaximum, &most},
	} {
		if bound.from == nil || !s.fits(section+"."+bound.name, *bound.from, limits{1, bound.most}) {
			continue
		}
		size := uint64(*bound.from) //nolint:gosec // It is positive.
		*bound.to, *bound.value = &size, *bound.from
	}
	if least > most {
		s.refuse(section, "minimumRingSize %d is above maximumRingSize %d", least, most)
	}
	balancer.Hash = s.hashPolicies(section+".hashPolicies", ring.HashPolicies)
}

func (s *settings) slowStart(field string, spec *v1alpha1.SlowStart) *ir.SlowStart {
	if spec == nil {
		return nil
	}
	slow := &ir.SlowStart{Window: s.optional(field+".window", spec.Window, anyTime())}
	if spec.Aggression != nil {
		value, err := strconv.ParseFloat(*spec.Aggression, 64)
		if err != nil || !(value > 0) || math.IsInf(value, 0) || strings.ContainsAny(*spec.Aggression, "xX_") {
			s.refuse(field+".aggression", "%q is not a number above zero, as \"1.5\"", *spec.Aggression)
		}
		slow.Aggression = &value
	}
	if n := spec.MinWeightPercent; n != nil && s.fits(field+".minWeightPercent", int64(*n), percent()) {
		slow.MinWeightPercent = unsigned(*n)
	}
	return slow
}

func (s *settings) setLocality(balancer *ir.LoadBalancer, spec *v1alpha1.LoadBalancer) {
	const zoneAware = loadBalancer + ".zoneAware"
	if spec.LocalityType != nil {
		if *spec.LocalityType != v1alpha1.LocalityTypeWeightedLB {
			s.refuse(loadBalancer+".localityType", "%q is unknown: use %s", *spec.LocalityType, v1alpha1.LocalityTypeWeightedLB)
		}
		balancer.LocalityWeights = true
	}
	switch {
	case spec.ZoneAware == nil:
		return
	case spec.ZoneAware.PreferLocal == nil:
		s.refuse(zoneAware, "preferLocal is required")
		return
	case spec.LocalityType != nil:
		s.refuse(zoneAware, "it and localityType exclude each other")
	case spec.RingHash != nil || spec.Maglev != nil:
		s.refuse(zoneAware, "it cannot be used with ringHash or maglev")
	}
	local, zones := spec.ZoneAware.PreferLocal, &ir.ZoneAware{}
	if n := local.MinEndpointsThreshold; n != nil && s.fits(zoneAware+".preferLocal.minEndpointsThreshold", *n, limits{1, math.MaxInt64}) {
		least := uint64(*n) //nolint:gosec // It is positive.
		zones.MinEndpoints = &least
	}
	if n := local.RoutingEnabled; n != nil && s.fits(zoneAware+".preferLocal.routingEnabled", int64(*n), percent()) {
		zones.Percent = unsigned(*n)
	}
	if local.Force != nil {
		zones.Force = unsigned(1)
		if n := local.Force.MinEndpointsInZoneThreshold; n != nil && s.fits(zoneAware+".preferLocal.force.minEndpointsInZoneThreshold", int64(*n), atLeastOne()) {
			zones.Force = unsigned(*n)
		}
	}
	balancer.ZoneAware = zones
}

func (s *settings) hashPolicies(field string, list []v1alpha1.HashPolicy) []ir.HashPolicy {
	if len(list) > maxHashPolicies {
		s.refuse(field, "there are %d, and at most %d are served", len(list), maxHashPolicies)
	}
	var policies []ir.HashPolicy
	for i := range list {
		policies = append(policies, s.hashPolicy(fmt.Sprintf("%s[%d]", field, i), &list[i]))
	}
	return policies
}

func (s *settings) hashPolicy(field string, spec *v1alpha1.HashPolicy) ir.HashPolicy {
	policy := ir.HashPolicy{Terminal: isTrue(spec.Terminal), SourceIP: spec.SourceIP != nil}
	kinds := 0
	for _, isSet := range []bool{spec.Header != nil, spec.Cookie != nil, spec.SourceIP != nil} {
		if isSet {
			kinds++
		}
	}
	if kinds != 1 {
		s.refuse(field, "exactly one of header, cookie and sourceIP is required, %d are set", kinds)
		return policy
	}
	if spec.Header != nil {
		policy.Header = spec.Header.Name
		if !validHeaderName(strings.TrimPrefix(policy.Header, ":")) {
			s.refuse(field+".header.name", "%q is not the name of a header", policy.Header)
		}
	}
	if spec.Cookie != nil {
		policy.Cookie = s.hashCookie(field+".cookie", spec.Cookie)
	}
	return policy
}

func validHeaderName(name string) bool { return httpguts.ValidHeaderFieldName(name) }

// hashCookie checks what would end up in a Set-Cookie header.
func (s *settings) hashCookie(field string, spec *v1alpha1.HashCookie) *ir.HashCookie {
	cookie := &ir.HashCookie{
		Name: spec.Name, TTL: s.optional(field+".ttl", spec.TTL, anyTime()),
		Secure: isTrue(spec.Secure), HTTPOnly: isTrue(spec.HTTPOnly),
	}
	if !validHeaderName(spec.Name) {
		s.refuse(field+".name", "%q is not the name of a cookie", spec.Name)
	}
	if spec.Path != nil {
		cookie.Path = *spec.Path
		if !printable(cookie.Path) || strings.Contains(cookie.Path, ";") {
			s.refuse(field+".path", "%q is not the path of a cookie", cookie.Path)
		}
	}
	if spec.SameSite != nil {
		switch cookie.SameSite = *spec.SameSite; cookie.SameSite {
		case "Strict", "Lax", "None":
		default:
			s.refuse(field+".sameSite", "%q is unknown: use Strict, Lax or None", cookie.SameSite)
		}
	}
	return cookie
}
