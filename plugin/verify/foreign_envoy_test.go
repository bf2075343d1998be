package verify

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// foreignScenarios are clusters as other controllers write them, under a
// BackendTLSPolicy.
func foreignScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	root := string(a.root.CertPEM())
	inline := func(c object) {
		matchers := names(c)["match_typed_subject_alt_names"]
		noValidation(c)
		common(c)["validation_context"] = object{"trusted_ca": object{"inline_string": root}, "match_typed_subject_alt_names": matchers}
	}
	automatic := func(c object) {
		noNames(c)
		c["auto_sni_san_validation"] = true
	}
	return []*scenario{
		{name: "foreign-inline", live: inline, port: good(t, a, "foreign-inline"), want: diagnose.Verified, change: ofOthers},
		{name: "foreign-bundle", bundle: "configmap/any-name", port: good(t, a, "foreign-bundle"), want: diagnose.Verified, change: ofOthers},
		{name: "foreign-automatic", live: automatic, port: good(t, a, "foreign-automatic"), want: diagnose.Verified, change: ofOthers},
		{name: "foreign-no-names", live: noNames, port: good(t, a, "foreign-no-names"), want: diagnose.VerificationDisabled, change: ofOthers},
	}
}

// ofOthers makes another controller's what the statuses say.
func ofOthers(o *objects) {
	o.policy.Status.Ancestors[0].ControllerName, o.route.Status.Parents[0].ControllerName = "example.com/other", "example.com/other"
}

// shared gives a Gateway, which is not programmed as a whole, a listener that is.
func shared(gateway *gatewayv1.Gateway) *gatewayv1.Gateway {
	gateway.Status.Listeners = []gatewayv1.ListenerStatus{{
		Name: "http", SupportedKinds: []gatewayv1.RouteGroupKind{}, Conditions: []metav1.Condition{isTrue("Programmed", "Programmed")},
	}}
	return gateway
}

// observed: the status is of the policy as it was created.
func observed(o *objects) { o.policy.Status.Ancestors[0].Conditions[0].ObservedGeneration = 1 }

// edited changes the policy, and no controller sees it.
func edited(t *testing.T, clients *kube.Clients, o *objects) {
	t.Helper()
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), client.ObjectKeyFromObject(o.policy), policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.Validation.SubjectAltNames = []gatewayv1.SubjectAltName{
		{Type: gatewayv1.HostnameSubjectAltNameType, Hostname: gatewayv1.Hostname(policy.Spec.Validation.Hostname)},
	}
	if err := clients.Client.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
}
