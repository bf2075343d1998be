// Package gateway says when the Gateway of a dev cluster works: its object and
// a port of this machine come in, and what is still missing comes out.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

// Dev is the Gateway of a dev cluster, with nothing but its name.
func Dev() *gatewayv1.Gateway {
	return &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{
		Namespace: contract.DevGatewayNamespace, Name: contract.DevGatewayName,
	}}
}

// Programmed tells whether Envoy runs the Gateway as it is now, and what is
// seen instead.
func Programmed(object client.Object) (bool, string) {
	gateway, ok := object.(*gatewayv1.Gateway)
	if !ok {
		return false, fmt.Sprintf("a %T", object)
	}
	condition := apimeta.FindStatusCondition(gateway.Status.Conditions, string(gatewayv1.GatewayConditionProgrammed))
	if condition == nil {
		return false, "no condition Programmed"
	}
	seen := fmt.Sprintf("Programmed=%s (%s: %s)", condition.Status, condition.Reason, condition.Message)
	return condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == gateway.Generation, seen
}

// Answers is nil when Envoy answers on a port of this machine, whatever it
// says.
func Answers(ctx context.Context, number int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+port.Address(number)+"/", nil)
	if err != nil {
		return fmt.Errorf("ask the gateway: %w", err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask the gateway: %w", err)
	}
	if response.Header.Get("Server") != "envoy" {
		err = errors.New("another server than Envoy answers")
	}
	return errors.Join(err, response.Body.Close())
}
