package controlplane_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// maxAncestors is how many the API takes.
const maxAncestors = 16

// ancestors are the names of the Gateways in a policy's status that are the
// controller's own entries, and how many others there are.
func ancestors(o *gatewayv1.BackendTLSPolicy) (own []string, others int) {
	for _, a := range o.Status.Ancestors {
		if a.ControllerName == contract.ControllerName {
			own = append(own, string(a.AncestorRef.Name))
		} else {
			others++
		}
	}
	return own, others
}

// seventeen has one policy used by one Gateway more than its status can name.
func (b *beyond) seventeen(t *testing.T) {
	const gateways = maxAncestors + 1
	b.namespace(t, "seventeen")
	var parents, want []string
	port := envoytest.FreePort(t)
	for i := range gateways {
		name := fmt.Sprintf("g%02d", i)
		b.apply(t, strings.Replace(gatewayManifest, "name: http,", "name: "+name+",", 1), "seventeen", port)
		parents = append(parents, fmt.Sprintf("{name: %s}", name))
		want = append(want, name)
	}
	b.apply(t, backendManifest, "seventeen", "app", b.backend.Port)
	b.policy(t, "seventeen", "app", `{hostname: example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}`, "{}")
	b.apply(t, strings.Replace(routeManifest, "[{name: http, namespace: %[3]s}]", "%[3]s", 1), "seventeen", "app", "["+strings.Join(parents, ", ")+"]")
	policy := eventually(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "seventeen", "app", func(o *gatewayv1.BackendTLSPolicy) error {
		if own, _ := ancestors(o); !slices.Equal(own, want[:maxAncestors]) {
			return fmt.Errorf("the ancestors are %v, want the first %d", own, maxAncestors)
		}
		return nil
	})
	// The last is not in the policy's status, but says so in its own, and serves
	// all the same.
	b.unlisted(t, "seventeen", want[maxAncestors], true)
	b.unlisted(t, "seventeen", want[0], false)
	b.cluster.envoy(t, "seventeen", want[maxAncestors])
	expect(t, port, "app.seventeen.example", http.StatusOK)
	b.settle(t)
	after := fetch(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "seventeen", "app")
	if after.ResourceVersion != policy.ResourceVersion {
		t.Errorf("the status was written again: %+v", after.Status)
	}
	// What becomes of the policy holds for the last, too.
	b.apply(t, caManifest, "seventeen", "garbled")
	expect(t, port, "app.seventeen.example", http.StatusInternalServerError)
	b.apply(t, caManifest, "seventeen", string(b.trust.PEM))
	expect(t, port, "app.seventeen.example", http.StatusOK)
}

// othersAncestors has another controller fill a policy's status, up to the
// limit, and then leave.
func (b *beyond) othersAncestors(t *testing.T) {
	b.namespace(t, "others")
	b.backed(t, "others", "app")
	b.apply(t, strings.Replace(gatewayManifest, "name: http,", "name: second,", 1), "others", envoytest.FreePort(t))
	b.apply(t, strings.Replace(routeManifest, "[{name: http, namespace: %[3]s}]", "[{name: http, namespace: infra}, {name: second}]", 1), "others", "app")
	condition := metav1.Condition{Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted", LastTransitionTime: metav1.NewTime(time.Unix(1e9, 0))}
	for _, step := range []struct {
		others int
		own    []string
	}{
		{0, []string{"http", "second"}}, {3, []string{"http", "second"}}, {maxAncestors - 1, []string{"http"}}, {maxAncestors, nil}, {1, []string{"http", "second"}},
	} {
		var foreign []gatewayv1.PolicyAncestorStatus
		for i := range step.others {
			foreign = append(foreign, gatewayv1.PolicyAncestorStatus{
				AncestorRef: gatewayv1.ParentReference{Name: gatewayv1.ObjectName(fmt.Sprintf("their-%d", i))}, ControllerName: "example.org/other",
				Conditions: []metav1.Condition{condition},
			})
		}
		eventually(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "others", "app", func(o *gatewayv1.BackendTLSPolicy) error {
			o.Status.Ancestors = append([]gatewayv1.PolicyAncestorStatus{}, foreign...)
			return b.Status().Update(t.Context(), o)
		})
		// A change that must be said, so that there is something to write.
		b.apply(t, caManifest, "others", "garbled")
		expect(t, b.port, "app.others.example", http.StatusInternalServerError)
		b.apply(t, caManifest, "others", string(b.trust.PEM))
		expect(t, b.port, "app.others.example", http.StatusOK)
		eventually(t, b.cluster, &gatewayv1.BackendTLSPolicy{}, "others", "app", func(o *gatewayv1.BackendTLSPolicy) error {
			if own, others := ancestors(o); others != step.others || !slices.Equal(own, step.own) {
				return fmt.Errorf("%d of others and %v, want %d and %v", others, own, step.others, step.own)
			}
			for i := range foreign {
				if !sameConditions(o.Status.Ancestors[i].Conditions, foreign[i].Conditions) {
					return fmt.Errorf("another controller's entry is %+v", o.Status.Ancestors[i])
				}
			}
			return nil
		})
		b.unlisted(t, "infra", "http", !slices.Contains(step.own, "http"))
		b.unlisted(t, "others", "second", !slices.Contains(step.own, "second"))
	}
}

// unlisted waits until a Gateway says, or does not, that a policy has no room
// for it.
func (b *beyond) unlisted(t *testing.T, namespace, name string, want bool) {
	t.Helper()
	const note = "their statuses have no room to say so: BackendTLSPolicy "
	eventually(t, b.cluster, &gatewayv1.Gateway{}, namespace, name, func(o *gatewayv1.Gateway) error {
		accepted := meta.FindStatusCondition(o.Status.Conditions, "Accepted")
		if accepted == nil || strings.Contains(accepted.Message, note) != want {
			return fmt.Errorf("Accepted is %+v, want a remark on policies: %t", accepted, want)
		}
		return nil
	})
}
