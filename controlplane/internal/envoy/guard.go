package envoy

import (
	"errors"
	"fmt"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// errDefect begins what a panic becomes.
var errDefect = errors.New("this is a defect of the controller")

// guarded makes a panic in build an error of the one resource that it is for:
// what is bad must not take the resources of others along.
func guarded[T any](build func() (T, error)) (out T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errDefect, cause)
		}
	}()
	return build()
}

// routeName is empty for a route that is not there.
func routeName(route *ir.Route) string {
	if route == nil {
		return ""
	}
	return route.Name
}
