package source

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// MissingError says that the API server does not serve kinds that the
// controller needs.
type MissingError struct {
	// CRDs are the missing definitions, as "NAME (VERSION)".
	CRDs []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("the API server does not serve %s", strings.Join(e.CRDs, ", "))
}

// GatewayAPI tells whether any of the missing definitions is Gateway API's.
func (e *MissingError) GatewayAPI() bool { return e.any("." + gatewayv1.GroupName) }

// Own tells whether any of the missing definitions is the project's own.
func (e *MissingError) Own() bool { return e.any(".gateway.kgateway.dev") }

func (e *MissingError) any(group string) bool {
	return slices.ContainsFunc(e.CRDs, func(crd string) bool { return strings.Contains(crd, group+" ") })
}

// served resolves every kind to the resource that the API server serves. It
// leaves out optional kinds that the API server does not serve.
func served(mapper meta.RESTMapper, scheme *runtime.Scheme) ([]*kind, error) {
	var found []*kind
	missing := &MissingError{}
	for _, k := range kinds() {
		err := k.resolve(mapper, scheme)
		if _, isGrant := k.object.(*gatewayv1.ReferenceGrant); isGrant && meta.IsNoMatchError(err) {
			k = oldGrants()
			err = k.resolve(mapper, scheme)
		}
		switch {
		case meta.IsNoMatchError(err) && k.optional:
		case meta.IsNoMatchError(err):
			missing.CRDs = append(missing.CRDs, k.name)
		case err != nil:
			return nil, fmt.Errorf("ask the API server for %s: %w", k.name, err)
		default:
			found = append(found, k)
		}
	}
	if len(missing.CRDs) > 0 {
		return nil, missing
	}
	return found, nil
}

// resolve looks up the names of k. Until it has succeeded, the name is a
// guess that serves for messages.
func (k *kind) resolve(mapper meta.RESTMapper, scheme *runtime.Scheme) error {
	gvk, err := apiutil.GVKForObject(k.object, scheme)
	if err != nil {
		return err
	}
	guess, _ := meta.UnsafeGuessKindToResource(gvk)
	k.group, k.kind = gvk.Group, gvk.Kind
	k.name = fmt.Sprintf("%s (%s)", guess.GroupResource(), gvk.Version)
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	k.name = mapping.Resource.GroupResource().String()
	return nil
}
