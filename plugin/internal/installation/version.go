package installation

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// minVersion is the first Kubernetes that has all kinds of an installation:
// those that it lacks before are admissionKinds.
const minVersion = "1.30"

// admissionKinds narrow what the controller may write to what a Gateway owns.
func admissionKinds() schema.GroupKind {
	return schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}
}

// CheckVersion fails where the API server is too old for the controller, or has
// the kinds that it needs turned off. fix is the next step then.
func CheckVersion(ctx context.Context, clients *kube.Clients, fix string) error {
	_, err := clients.Client.RESTMapper().RESTMapping(admissionKinds(), "v1")
	if err == nil {
		return nil
	}
	if !meta.IsNoMatchError(err) || ctx.Err() != nil {
		return clients.Explain(fmt.Errorf("look up kind %s: %w", admissionKinds().Kind, err))
	}
	runs := "of an unknown version"
	if requests, err := discovery.NewDiscoveryClientForConfig(clients.Config); err == nil {
		if version, err := requests.ServerVersion(); err == nil {
			runs = version.GitVersion
		}
	}
	return fail.Failed("the cluster is Kubernetes %s, and does not serve %s of v1: the controller needs Kubernetes %s or later", runs, admissionKinds(), minVersion).
		WithFix("%s", fix).
		WithOutcome(Unchanged)
}
