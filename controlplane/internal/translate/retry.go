package translate

import (
	"fmt"
	"math"
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// defaultAttempts is how often a request is tried again where the route does
// not say: Envoy's own default.
const defaultAttempts = 1

// retry translates a rule's retry. Errors start with the field that is wrong.
func retry(spec *gatewayv1.HTTPRouteRetry) (*ir.Retry, error) {
	if spec == nil {
		return nil, nil //nolint:nilnil // No retries are a result, not an error.
	}
	attempts := deref(spec.Attempts, defaultAttempts)
	if attempts < 1 || int64(attempts) > math.MaxInt32 {
		return nil, fmt.Errorf("attempts: %d is not a positive number of 32 bits", attempts)
	}
	r := &ir.Retry{Attempts: uint32(attempts)}
	for i, code := range spec.Codes {
		if code < 400 || code > 599 {
			return nil, fmt.Errorf("codes[%d]: %d is not between 400 and 599", i, code)
		}
		if !slices.Contains(r.Codes, uint32(code)) {
			r.Codes = append(r.Codes, uint32(code))
		}
	}
	slices.Sort(r.Codes)
	var err error
	if r.Backoff, err = duration(spec.Backoff); err != nil {
		return nil, fmt.Errorf("backoff: %w", err)
	}
	return r, nil
}
