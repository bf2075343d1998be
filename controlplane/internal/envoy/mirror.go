package envoy

import (
	"errors"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// mirrorPolicies send copies of requests, as the backend gets them and under
// the same host, where Envoy would add "-shadow" to it.
func mirrorPolicies(mirrors []ir.Mirror) ([]*routev3.RouteAction_RequestMirrorPolicy, error) {
	var policies []*routev3.RouteAction_RequestMirrorPolicy
	for _, mirror := range mirrors {
		switch {
		case mirror.Cluster == "":
			return nil, errors.New("mirror without a cluster")
		case mirror.Denominator == 0 || mirror.Numerator > mirror.Denominator:
			return nil, errors.New("mirror: the numerator is above the denominator")
		case mirror.Numerator == 0:
			continue
		}
		policy := &routev3.RouteAction_RequestMirrorPolicy{
			Cluster:                       mirror.Cluster,
			DisableShadowHostSuffixAppend: true,
		}
		if mirror.Numerator < mirror.Denominator {
			policy.RuntimeFraction = &corev3.RuntimeFractionalPercent{DefaultValue: fraction(mirror.Numerator, mirror.Denominator)}
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

// fraction is in millionths, the finest that Envoy counts. What is not zero
// does not become it.
func fraction(numerator, denominator uint32) *typev3.FractionalPercent {
	const million = 1_000_000
	parts := (uint64(numerator)*million + uint64(denominator)/2) / uint64(denominator)
	return &typev3.FractionalPercent{
		Numerator:   uint32(max(parts, 1)), //nolint:gosec // At most a million.
		Denominator: typev3.FractionalPercent_MILLION,
	}
}
