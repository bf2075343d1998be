// Package installation puts the controller into a cluster, and takes it away
// again: for the verbs install and uninstall, and for dev clusters.
//
// Plan is pure: what is wanted goes in, ordered objects come out. Prepare
// reads the cluster, decides which of them are to be applied, and has the API
// server check those; all that stands in the way comes out as one error before
// anything is written. Apply writes. PrepareRemoval and Removal.Run are the
// same for the way back.
//
// What exists and does not carry contract.LabelManagedBy is another's: it is
// used where it will do, and never changed.
package installation

import (
	"context"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// Channels of Gateway API.
const (
	ChannelStandard     = string(templates.Standard)
	ChannelExperimental = string(templates.Experimental)
	// ChannelNone leaves Gateway API to others.
	ChannelNone = "none"
)

// Channels are all values of Options.Channel but the empty one.
func Channels() []string { return []string{ChannelStandard, ChannelExperimental, ChannelNone} }

// LogLevels are all that the controller knows.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// Unchanged is the outcome of every error before the first write.
const Unchanged = "nothing was changed"

// Options of an installation.
type Options struct {
	// Channel of Gateway API. Empty is that of ours in the cluster, else
	// ChannelStandard.
	Channel string
	// Image of the controller; required.
	Image string
	// Replicas of the controller; 0 is the default.
	Replicas int32
	// ClassParameters is the parametersRef of the GatewayClass; nil keeps what
	// it has. The object that it names is the caller's to apply.
	ClassParameters *gatewayv1.ParametersReference
	// LogLevel of the controller, one of LogLevels; empty is the default.
	LogLevel string
	// Force takes over fields that other field managers have changed.
	Force bool
}

// Plan gives all objects of an installation, in the order in which they can
// be applied: definitions, then the controller's objects.
func Plan(o Options) ([]client.Object, error) {
	if o.Image == "" {
		return nil, fail.Usage("the controller needs an image").WithFix("give one with --image")
	}
	definitions, err := definitions(o.Channel)
	if err != nil {
		return nil, err
	}
	controller, err := templates.Controller(templates.ControllerValues{
		Image:           o.Image,
		Replicas:        o.Replicas,
		LogLevel:        o.LogLevel,
		ClassParameters: o.ClassParameters,
	})
	if err != nil {
		return nil, err
	}
	objects := make([]client.Object, 0, len(definitions)+len(controller))
	for _, definition := range definitions {
		objects = append(objects, definition)
	}
	return append(objects, controller...), nil
}

// definitions are those of a channel and ours, all marked as ours: Gateway
// API's are so only where nobody else has brought them.
func definitions(channel string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var all []*apiextensionsv1.CustomResourceDefinition
	if channel != ChannelNone {
		if channel == "" {
			channel = ChannelStandard
		}
		gatewayAPI, err := templates.GatewayAPICRDs(templates.Channel(channel))
		if err != nil {
			return nil, fail.Usage("--gateway-api: %w", err)
		}
		all = gatewayAPI
	}
	own, err := templates.KgatewayCRDs()
	if err != nil {
		return nil, err
	}
	all = append(all, own...)
	for _, definition := range all {
		metav1.SetMetaDataLabel(&definition.ObjectMeta, contract.LabelManagedBy, contract.FieldManager)
	}
	return all, nil
}

// ours tells whether an object was made by this program.
func ours(object metav1.Object) bool {
	return object.GetLabels()[contract.LabelManagedBy] == contract.FieldManager
}

// WaitReady waits until the controller is rolled out and has accepted its
// GatewayClass. progress, which may be nil, is given what is seen meanwhile.
// The error says what was awaited, and what is wrong with the pods.
func WaitReady(ctx context.Context, clients *kube.Clients, progress func(seen string)) error {
	if err := clients.WaitRollout(ctx, contract.SystemNamespace, contract.ControllerDeployment, progress); err != nil {
		return err
	}
	class := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: contract.GatewayClassName}}
	if err := clients.Wait(ctx, class, "accepted by its controller", accepted); err != nil {
		failure := fail.As(err)
		failure.Details = append(failure.Details, ControllerState(ctx, clients)...)
		return failure.WithFix("kubectl logs -n %s -l %s=%s", contract.SystemNamespace, contract.LabelName, contract.ControllerDeployment)
	}
	return nil
}

// ControllerState is what the controller's pods are at, and what they said last,
// in lines for fail.Error.Details.
func ControllerState(ctx context.Context, clients *kube.Clients) []string {
	return clients.PodState(ctx, contract.SystemNamespace, map[string]string{contract.LabelName: contract.ControllerDeployment})
}

func accepted(object client.Object) (done bool, seen string) {
	class, ok := object.(*gatewayv1.GatewayClass)
	if !ok {
		return false, "no GatewayClass"
	}
	for _, condition := range class.Status.Conditions {
		if condition.Type != string(gatewayv1.GatewayClassConditionStatusAccepted) || condition.ObservedGeneration < class.Generation {
			continue
		}
		return condition.Status == metav1.ConditionTrue, condition.Reason + ": " + condition.Message
	}
	return false, "no condition Accepted for its newest state"
}
