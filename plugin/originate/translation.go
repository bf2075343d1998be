package originate

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// checkTranslation asks the controller's own translation whether it would
// take the TLS settings of a draft, so that a name that Envoy does not know is
// refused here and not after the apply. Trust is left out: it needs a cluster.
func checkTranslation(draft scaffold.Spec, now time.Time) error {
	asked := draft.Target
	if draft.Target.Kind == scaffold.Backend { // one that is made stands in for it
		draft.Target = scaffold.Target{Kind: scaffold.Host, Name: "stand-in.example", Port: scaffold.DefaultHostPort}
	}
	draft.Trust = scaffold.Trust{System: true}
	draft.ClientCertificate, draft.PortName, draft.Route = "", "", nil
	objects, err := draft.Objects()
	if err != nil {
		return usage(err)
	}
	if draft.Target.Kind == scaffold.Service {
		objects = append(objects, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: draft.Namespace, Name: draft.Target.Name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443, Protocol: corev1.ProtocolTCP}}},
		})
	}
	options := controlplane.TranslationOptions{SystemCAFile: "/stand-in", AllowLoopbackBackends: true}
	translation, err := controlplane.Translate(objects, options, now)
	if err != nil {
		return fmt.Errorf("check the TLS settings: %w", err)
	}
	for _, object := range translation.Objects {
		for _, ancestor := range ancestorsOf(object) {
			accepted := meta.FindStatusCondition(ancestor.Conditions, string(gatewayv1.PolicyConditionAccepted))
			if accepted != nil && accepted.Status == metav1.ConditionFalse && accepted.Reason == string(gatewayv1.PolicyReasonInvalid) {
				return fail.Usage("%s cannot be set up as asked: %s", asked, accepted.Message)
			}
		}
	}
	return nil
}
