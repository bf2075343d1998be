package originate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// await waits until a controller has accepted the policy and, where a route
// leads to the backend, until Envoy has the settings and has shaken hands.
// leads is that route, and live what was seen of its Gateway before the apply,
// or why nothing was.
func (r *run) await(ctx context.Context, applied []kube.Applied, leads leading, live *liveGateway, liveErr error) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	began := time.Now()
	generation := r.generationOf(applied)
	var controller string
	err := r.patiently("a controller to accept the policy", func() error {
		var err error
		controller, err = r.awaitAccepted(ctx, generation)
		return err
	})
	if err != nil {
		return r.notLive(err)
	}
	text := fmt.Sprintf("Accepted by %s in %s", controller, seconds(time.Since(began)))
	if leads.route == nil {
		r.say("%s. %s", text, leads)
		r.say("Check it: %s", r.verifyCommand())
		return nil
	}
	if liveErr != nil {
		return r.notLive(liveErr)
	}
	live.controller = controller
	if err := r.patiently("Envoy to have it", func() error { return live.awaitCluster(ctx) }); err != nil {
		return r.notLive(err)
	}
	text += fmt.Sprintf(", in Envoy in %s", seconds(time.Since(began)))
	var reused bool
	err = r.patiently("a TLS handshake", func() error {
		var err error
		reused, err = live.awaitHandshake(ctx, generation)
		return err
	})
	if err != nil {
		return r.notLive(err)
	}
	if reused {
		r.say("%s, answered over a connection that was open before.", text)
		r.say("See a new handshake: %s", r.verifyCommand())
		return nil
	}
	r.say("%s, handshake in %s.", text, seconds(time.Since(began)))
	r.say("Check it: %s", r.verifyCommand())
	return nil
}

// patience is how long a wait may be without a word.
const patience = time.Second

// patiently says what is awaited, where it does not come at once.
func (r *run) patiently(what string, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		r.say("Waiting for %s, up to %s in all ...", what, r.o.Timeout)
		return <-done
	}
}

// generationOf is the policy's, as applied.
func (r *run) generationOf(applied []kube.Applied) int64 {
	for _, one := range applied {
		if one.Object.GetKind() == string(r.spec.Policy) {
			return one.Object.GetGeneration()
		}
	}
	return 0
}

// notLive says that the objects stay, though the wait for them failed.
func (r *run) notLive(err error) error {
	failure := fail.As(err)
	if failure.Fix == "" {
		failure.Fix = r.verifyCommand()
	}
	failure.Outcome = "everything was applied and stays"
	return failure
}

// refusalGrace is how long a refusal may stand before it is believed: the
// controller may not have seen yet what the policy refers to.
const refusalGrace = 2 * time.Second

// awaitAccepted gives the name of the controller that accepted the policy. A
// refusal that stands ends the wait.
func (r *run) awaitAccepted(ctx context.Context, generation int64) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var settled *time.Timer
	policy := r.policyObject()
	var controller, refused string
	condition := func(object client.Object) (bool, string) {
		seen := "no controller has said anything about it"
		for _, ancestor := range ownFirst(ancestorsOf(object)) {
			accepted := meta.FindStatusCondition(ancestor.Conditions, string(gatewayv1.PolicyConditionAccepted))
			if accepted == nil || accepted.ObservedGeneration < generation {
				continue
			}
			seen = fmt.Sprintf("%s says Accepted=%s, %s: %s", shortController(ancestor.ControllerName),
				accepted.Status, accepted.Reason, accepted.Message)
			if accepted.Status != "True" {
				refused = seen
				if settled == nil {
					settled = time.AfterFunc(refusalGrace, cancel)
				}
				continue
			}
			controller, refused = shortController(ancestor.ControllerName), ""
			return true, seen
		}
		return false, seen
	}
	err := r.clients.Wait(ctx, policy, "accepted", condition)
	if settled != nil {
		settled.Stop()
	}
	if err != nil && refused != "" {
		return "", fail.Failed("%s/%s is not accepted: %s", r.spec.Policy, r.spec.PolicyName(), refused)
	}
	return controller, err
}

func (r *run) policyObject() client.Object {
	var policy client.Object = &gatewayv1.BackendTLSPolicy{}
	if r.spec.Policy == scaffold.BackendConfigPolicy {
		policy = &v1alpha1.BackendConfigPolicy{}
	}
	policy.SetNamespace(r.spec.Namespace)
	policy.SetName(r.spec.PolicyName())
	return policy
}

func ancestorsOf(object client.Object) []gatewayv1.PolicyAncestorStatus {
	switch policy := object.(type) {
	case *gatewayv1.BackendTLSPolicy:
		return policy.Status.Ancestors
	case *v1alpha1.BackendConfigPolicy:
		return policy.Status.Ancestors
	default:
		return nil
	}
}

// ownFirst are the entries of our own controller, where it has made any, before
// those of others.
func ownFirst(ancestors []gatewayv1.PolicyAncestorStatus) []gatewayv1.PolicyAncestorStatus {
	return slices.SortedStableFunc(slices.Values(ancestors), func(a, b gatewayv1.PolicyAncestorStatus) int {
		return cmp.Compare(foreign(a), foreign(b))
	})
}

func foreign(ancestor gatewayv1.PolicyAncestorStatus) int {
	if ancestor.ControllerName == contract.ControllerName {
		return 0
	}
	return 1
}

// ownController is what our own controller is called in a sentence.
const ownController = "tlsgw"

func shortController(name gatewayv1.GatewayController) string {
	if name == contract.ControllerName {
		return ownController
	}
	return string(name)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
