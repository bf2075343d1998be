package translate

import (
	"fmt"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// mirror is a RequestMirror filter of a rule.
type mirror struct {
	// filter is its place among the rule's filters.
	filter                 int
	backend                *gatewayv1.BackendObjectReference
	numerator, denominator uint32
}

// newMirror reads a RequestMirror filter.
func newMirror(filter int, spec *gatewayv1.HTTPRequestMirrorFilter) (mirror, error) {
	if spec == nil {
		return mirror{}, fmt.Errorf("the filter has no content")
	}
	m := mirror{filter: filter, backend: &spec.BackendRef, numerator: 1, denominator: 1}
	switch {
	case spec.Percent != nil && spec.Fraction != nil:
		return mirror{}, fmt.Errorf("percent and fraction exclude each other")
	case spec.Percent != nil:
		return m, m.setShare("percent", int64(*spec.Percent), 100)
	case spec.Fraction != nil:
		return m, m.setShare("fraction", int64(spec.Fraction.Numerator), int64(deref(spec.Fraction.Denominator, 100)))
	}
	return m, nil
}

func (m *mirror) setShare(field string, numerator, denominator int64) error {
	if numerator < 0 || denominator < 1 || numerator > denominator {
		return fmt.Errorf("%s: %d of %d requests is not between none and all", field, numerator, denominator)
	}
	m.numerator, m.denominator = uint32(numerator), uint32(denominator) //nolint:gosec // They come from int32.
	return nil
}

// mirrors resolves the mirrors of a rule of a route. One that does not resolve
// is left out, as the API has it, and told in the route's ResolvedRefs: the
// requests themselves do not need it. Backends are those that are reached, or
// would be.
func (t *translation) mirrors(route ir.Ref, specs []mirror) (mirrors []ir.Mirror, backends []*backend, unresolved []*problem) {
	for _, spec := range specs {
		b, p := t.resolve(route, spec.backend)
		if p != nil {
			unresolved = append(unresolved, problemf(p.reason, "filters[%d].requestMirror: %s", spec.filter, p.message))
		}
		if b == nil {
			continue
		}
		backends = append(backends, b)
		if b.cluster != nil {
			mirrors = append(mirrors, ir.Mirror{Cluster: b.cluster.Name, Numerator: spec.numerator, Denominator: spec.denominator})
		}
	}
	return mirrors, backends, unresolved
}
