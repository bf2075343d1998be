package local

import (
	"context"
	"fmt"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/definitions"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// applyBase applies what belongs to this version of the program: definitions,
// the controller's rights and the GatewayClass.
func (u *up) applyBase(ctx context.Context) error {
	wanted, err := u.definitions()
	if err != nil {
		return err
	}
	changed, err := definitions.Ensure(ctx, u.clients, wanted)
	if err != nil {
		return err
	}
	u.changed = u.changed || changed
	objects, err := templates.ControllerAccess()
	if err != nil {
		return err
	}
	for _, object := range objects {
		changed, err := u.apply(ctx, object)
		if err != nil {
			return err
		}
		u.changed = u.changed || changed
	}
	return nil
}

func (u *up) apply(ctx context.Context, object client.Object) (changed bool, err error) {
	applied, err := u.clients.Apply(ctx, []client.Object{object}, kube.ApplyOptions{Force: true})
	if err != nil {
		return false, err
	}
	return applied[0].Change != kube.Unchanged, nil
}

// ensureGateway makes the Gateway and its namespace where they are missing.
// What the user has changed in them stays.
func (u *up) ensureGateway(ctx context.Context) error {
	objects, err := templates.Gateway(templates.GatewayValues{
		Port: int32(u.HTTPPort), // #nosec G115 -- ports fit
		Annotations: map[string]string{
			contract.AnnotationEnvoyAdmin:   port.Address(u.AdminPort),
			contract.AnnotationEnvoyAddress: port.Loopback,
		},
	})
	if err != nil {
		return err
	}
	return u.applyMissing(ctx, objects)
}

// ensureSampleObjects makes what describes the sample where it is missing,
// and the ConfigMap with its CA as the sample is now.
func (u *up) ensureSampleObjects(ctx context.Context) error {
	objects, err := templates.LocalSample(templates.LocalSampleValues{
		Host: sampleHost,
		Port: int32(u.Ports.Sample), // #nosec G115 -- ports fit
		CA:   string(u.bundle),
	})
	if err != nil {
		return err
	}
	if err := u.applyMissing(ctx, objects); err != nil || u.Complete && !u.resampled {
		return err
	}
	for _, object := range objects {
		if object.GetName() != templates.SampleConfigMap {
			continue
		}
		changed, err := u.apply(ctx, object)
		if err != nil {
			return err
		}
		u.changed = u.changed || changed
	}
	return nil
}

func (u *up) applyMissing(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		there := &unstructured.Unstructured{}
		there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		err := u.clients.Client.Get(ctx, client.ObjectKeyFromObject(object), there)
		if err == nil {
			continue
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("get %s %s: %w", there.GetKind(), object.GetName(), err)
		}
		if _, err := u.apply(ctx, object); err != nil {
			return err
		}
		u.changed = true
	}
	return nil
}
