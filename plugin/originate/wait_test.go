package originate

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// TestWait: a controller that accepts ends the wait, one that refuses or is
// not there fails it with what was last seen.
func TestWait(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients}
	nobody := verb.originate(t, "svc/nginx", "--sni", "example.com", "--timeout", "300ms")
	expect(t, nobody, 1, "was not accepted in time", "no controller has said anything", "everything was applied and stays")

	setAccepted(t, clients, metav1.ConditionFalse, "NoValidCACertificate")
	refused := verb.originate(t, "svc/nginx", "--sni", "example.com", "--timeout", "300ms")
	expect(t, refused, 1, "BackendTLSPolicy/nginx-tls-policy is not accepted: tlsgw says Accepted=False, NoValidCACertificate")

	setAccepted(t, clients, metav1.ConditionTrue, "Accepted")
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com"), 0, "Accepted by tlsgw in 0.", "--expose HOSTNAME makes one")
}

// TestInterruptedWait: whoever presses Ctrl-C is told what stays, and not that
// the time is over.
func TestInterruptedWait(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	const waiting = "Waiting for a controller to accept the policy, up to 1m0s"
	got := invocation{clients: clients, interruptAt: waiting}.originate(t, "svc/nginx", "--sni", "example.com", "--timeout", "1m")
	expect(t, got, 1, waiting, "interrupted before it was seen to be live", "everything was applied and stays")
}

// TestOwnControllerIsBelieved: of several controllers, what is known of our own
// is what the wait for Envoy goes by.
func TestOwnControllerIsBelieved(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	good(t, clients)
	verb := invocation{clients: clients}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com", noWait), 0)
	setAccepted(t, clients, metav1.ConditionTrue, "Accepted")
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-tls-policy"), policy); err != nil {
		t.Fatal(err)
	}
	other := *policy.Status.Ancestors[0].DeepCopy()
	other.ControllerName = "other.example/controller"
	policy.Status.Ancestors = append([]gatewayv1.PolicyAncestorStatus{other}, policy.Status.Ancestors...)
	if err := clients.Client.Status().Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sni", "example.com"), 0, "Accepted by tlsgw in ")
}

func setAccepted(t *testing.T, clients *kube.Clients, status metav1.ConditionStatus, reason string) {
	t.Helper()
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "nginx-tls-policy"), policy); err != nil {
		t.Fatal(err)
	}
	policy.Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{
		AncestorRef: gatewayv1.ParentReference{Name: "nginx"}, ControllerName: contract.ControllerName,
		Conditions: []metav1.Condition{{Type: "Accepted", Status: status, Reason: reason, Message: "so it is",
			ObservedGeneration: policy.Generation, LastTransitionTime: metav1.NewTime(time.Now())}},
	}}
	if err := clients.Client.Status().Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
}
