package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// adminTimeout bounds one request to an admin interface.
const adminTimeout = 10 * time.Second

// Admin is the admin interface of one Envoy.
type Admin struct {
	// Name says where it is: "pod NAMESPACE/NAME" or "HOST:PORT".
	Name string
	// BaseURL has no slash at its end.
	BaseURL string
	// Client reaches BaseURL, and nothing else is reached through it.
	Client *http.Client
}

// Dialer connects to a listener of a Gateway.
type Dialer struct {
	// Address is HOST:PORT as a person would reach it, for messages and URLs.
	Address string
	// Via says how it is reached, in words: "pod NAMESPACE/NAME", which is the
	// first of Pods, or "address".
	Via string
	// Pods is how many pods Dial goes to in turn; 0 where it is none.
	Pods int
	// Dial opens a new connection.
	Dial func(ctx context.Context) (net.Conn, error)
}

// EnvoyAdmin finds the admin interface of every Envoy that runs a Gateway: of
// its ready pods, else the one on this machine that the Gateway's annotation
// names. None at all is a fail.CodeUnreachable error.
func (c *Clients) EnvoyAdmin(ctx context.Context, gateway *gatewayv1.Gateway) ([]Admin, error) {
	if address := gateway.Annotations[contract.AnnotationEnvoyAdmin]; address != "" {
		if err := checkLoopback(address); err != nil {
			return nil, fail.Unreachable("gateway %s/%s annotation %s: %w",
				gateway.Namespace, gateway.Name, contract.AnnotationEnvoyAdmin, err)
		}
		return []Admin{localAdmin(address)}, nil
	}
	pods, err := c.gatewayPods(ctx, gateway)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, fail.Unreachable("gateway %s/%s has no running Envoy: no ready pod has label %s=%s",
			gateway.Namespace, gateway.Name, contract.LabelGatewayName, contract.GatewayLabel(gateway.Name)).
			WithFix("kubectl get pods -n %s -l %s=%s", gateway.Namespace, contract.LabelGatewayName, contract.GatewayLabel(gateway.Name))
	}
	admins := make([]Admin, 0, len(pods))
	for _, pod := range pods {
		admins = append(admins, c.podAdmin(pod.Namespace, pod.Name))
	}
	return admins, nil
}

// GatewayAddress says how to send traffic to one listener port of a Gateway:
// to the loopback address of the Gateway's annotation, else through
// port-forwards to all pods behind the Gateway's Service in turn, else to the
// first address of its status. Where a Service is there and nothing is ready
// behind it, the address would lead to the same nothing, if from this machine
// it leads there at all: the error then wraps ErrNoEndpoints.
func (c *Clients) GatewayAddress(ctx context.Context, gateway *gatewayv1.Gateway, port int32) (*Dialer, error) {
	if host := gateway.Annotations[contract.AnnotationEnvoyAddress]; host != "" {
		if err := checkLoopback(host); err != nil {
			return nil, fail.Unreachable("gateway %s/%s annotation %s: %w",
				gateway.Namespace, gateway.Name, contract.AnnotationEnvoyAddress, err)
		}
		return c.hostDialer(host, port, "address"), nil
	}
	var unready error
	for _, service := range c.gatewayServices(ctx, gateway) {
		endpoints, err := c.ResolveService(ctx, service.Namespace, service.Name, port)
		if errors.Is(err, ErrNoEndpoints) {
			unready = err
		}
		if err != nil {
			continue // another Service, or the status address, may do
		}
		endpoint := endpoints[0]
		if endpoint.Pod == "" {
			return c.hostDialer(endpoint.Host, endpoint.Port, "endpoint"), nil
		}
		return &Dialer{
			Address: hostPort("localhost", port),
			Via:     fmt.Sprintf("pod %s/%s", endpoint.Namespace, endpoint.Pod),
			Pods:    len(endpoints),
			Dial:    inTurn(endpoints, c.DialEndpoint),
		}, nil
	}
	if unready != nil {
		return nil, fail.Unreachable("gateway %s/%s cannot be reached: %w", gateway.Namespace, gateway.Name, unready).
			WithFix("kubectl get pods -n %s -l %s=%s", gateway.Namespace, contract.LabelGatewayName, contract.GatewayLabel(gateway.Name))
	}
	for _, address := range gateway.Status.Addresses {
		return c.hostDialer(address.Value, port, "address"), nil
	}
	return nil, fail.Unreachable("gateway %s/%s cannot be reached on port %d: it has no Service with a ready pod and no status address",
		gateway.Namespace, gateway.Name, port).
		WithFix("kubectl describe gateway -n %s %s", gateway.Namespace, gateway.Name)
}

// inTurn dials one endpoint after the other, one at each call, so that as many
// connections reach all of them.
func inTurn(endpoints []Endpoint, dial func(context.Context, Endpoint) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	var calls atomic.Uint64
	return func(ctx context.Context) (net.Conn, error) {
		return dial(ctx, endpoints[(calls.Add(1)-1)%uint64(len(endpoints))])
	}
}

func (c *Clients) hostDialer(host string, port int32, via string) *Dialer {
	return &Dialer{
		Address: hostPort(host, port),
		Via:     via,
		Dial:    func(ctx context.Context) (net.Conn, error) { return c.DialHost(ctx, host, port) },
	}
}

// gatewayPods are the ready pods of a Gateway, sorted by name.
func (c *Clients) gatewayPods(ctx context.Context, gateway *gatewayv1.Gateway) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := c.Client.List(ctx, &pods, client.InNamespace(gateway.Namespace),
		client.MatchingLabels{contract.LabelGatewayName: contract.GatewayLabel(gateway.Name)})
	if err != nil {
		return nil, c.Explain(fmt.Errorf("list pods of gateway %s/%s: %w", gateway.Namespace, gateway.Name, err))
	}
	ready := slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return !podReady(&pod) })
	slices.SortFunc(ready, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return ready, nil
}

// gatewayServices are the Services that may stand before a Gateway's pods:
// the labelled ones, then the one of the Gateway's own name.
func (c *Clients) gatewayServices(ctx context.Context, gateway *gatewayv1.Gateway) []corev1.Service {
	var labelled corev1.ServiceList
	if err := c.Client.List(ctx, &labelled, client.InNamespace(gateway.Namespace),
		client.MatchingLabels{contract.LabelGatewayName: contract.GatewayLabel(gateway.Name)}); err == nil && len(labelled.Items) > 0 {
		return labelled.Items
	}
	own := corev1.Service{}
	own.Namespace, own.Name = gateway.Namespace, contract.ProxyName(gateway.Name)
	return []corev1.Service{own}
}

func podReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func (c *Clients) podAdmin(namespace, pod string) Admin {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.DialPod(ctx, namespace, pod, contract.AdminPort)
		},
	}
	return Admin{
		Name:    fmt.Sprintf("pod %s/%s", namespace, pod),
		BaseURL: "http://" + hostPort("localhost", contract.AdminPort),
		Client:  &http.Client{Transport: transport, Timeout: adminTimeout},
	}
}

func localAdmin(address string) Admin {
	var dialer net.Dialer
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}
	return Admin{
		Name:    address,
		BaseURL: "http://" + address,
		Client:  &http.Client{Transport: transport, Timeout: adminTimeout},
	}
}

// checkLoopback keeps whoever may write a Gateway from sending this machine's
// requests elsewhere: only literal loopback addresses, with or without a
// port, are ever dialled from an annotation.
func checkLoopback(address string) error {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return fmt.Errorf("%q is not a loopback address", address)
	}
	return nil
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
