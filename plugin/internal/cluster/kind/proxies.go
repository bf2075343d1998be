package kind

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// waitProxies waits until the proxies of this very Gateway are available. Those
// of one of the same name that was deleted acknowledge and answer until they
// have ended.
func (u *up) waitProxies(ctx context.Context, owner *gatewayv1.Gateway) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: owner.Namespace, Name: contract.ProxyName(owner.Name),
	}}
	return u.clients.Wait(ctx, deployment, "available", func(o client.Object) (bool, string) {
		done, seen := proxiesAvailable(o, owner)
		u.steps.Detail(seen)
		return done, seen
	})
}

// proxiesAvailable says whether a Deployment is the Gateway's and has all of
// its pods.
func proxiesAvailable(object client.Object, owner *gatewayv1.Gateway) (bool, string) {
	deployment, ok := object.(*appsv1.Deployment)
	switch {
	case !ok:
		return false, fmt.Sprintf("a %T", object)
	case !metav1.IsControlledBy(deployment, owner):
		return false, "it is not of this Gateway"
	}
	want, got := ptr.Deref(deployment.Spec.Replicas, 1), deployment.Status.AvailableReplicas
	current := deployment.Status.ObservedGeneration >= deployment.Generation
	return current && got >= want, fmt.Sprintf("%d of %d proxies available", got, want)
}
