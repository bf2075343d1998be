package originate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/leads"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// pollEvery is the pause between two looks at Envoy.
const pollEvery = 50 * time.Millisecond

// liveGateway watches what the Gateway of the route does.
type liveGateway struct {
	run     *run
	name    string
	admins  []*probe.Admin
	dialer  *kube.Dialer
	request probe.Request
	// route is the one that leads to the backend.
	route *scaffold.Route
	// baseline is what each of admins had counted before the settings were
	// live, and generation the policy's of that time.
	baseline   []counts
	generation int64
	// connected counts, by the name of a cluster, the connections that it had
	// opened by then.
	connected map[string]uint64
	// controller is the one that accepted the policy.
	controller string
}

// watchGateway looks at the route's Gateway before anything is applied.
func (r *run) watchGateway(ctx context.Context, route *scaffold.Route) (*liveGateway, error) {
	live, err := r.findGateway(ctx, route)
	if err != nil {
		return nil, err
	}
	if live.baseline, err = live.count(ctx); err != nil {
		return nil, err
	}
	if live.connected, err = live.connections(ctx); err != nil {
		return nil, err
	}
	policy := r.policyObject()
	err = r.clients.Client.Get(ctx, client.ObjectKeyFromObject(policy), policy)
	if client.IgnoreNotFound(err) != nil {
		return nil, r.clients.Explain(fmt.Errorf("get the policy: %w", err))
	}
	live.generation = policy.GetGeneration()
	return live, nil
}

func (r *run) findGateway(ctx context.Context, route *scaffold.Route) (*liveGateway, error) {
	gateway := &gatewayv1.Gateway{}
	key := client.ObjectKey{Namespace: route.GatewayNamespace, Name: route.GatewayName}
	if err := r.clients.Client.Get(ctx, key, gateway); err != nil {
		return nil, r.clients.Explain(fmt.Errorf("get gateway %s: %w", key, err))
	}
	live := &liveGateway{run: r, name: key.String(), route: route}
	found, err := r.clients.EnvoyAdmin(ctx, gateway)
	if err != nil {
		return nil, err
	}
	for _, one := range found {
		admin, err := probe.NewAdmin(one.Name, one.BaseURL, one.Client)
		if err != nil {
			return nil, err
		}
		live.admins = append(live.admins, admin)
	}
	listener, err := r.listenerFor(ctx, gateway, route)
	if err != nil {
		return nil, err
	}
	if listener == nil {
		return nil, fail.Failed("gateway %s has no listener that takes routes for %s from namespace %s", key, route.Hostname, r.spec.Namespace)
	}
	live.request = probe.Request{Method: "GET", Host: concrete(route.Hostname), Path: route.PathPrefix}
	if live.request.Path == "" {
		live.request.Path = "/"
	}
	if listener.Protocol == gatewayv1.HTTPSProtocolType {
		live.request.ServerName = live.request.Host
	}
	live.dialer, err = r.clients.GatewayAddress(ctx, gateway, int32(listener.Port))
	return live, err
}

// listenerFor is the first listener that takes the route, plain HTTP first.
func (r *run) listenerFor(ctx context.Context, gateway *gatewayv1.Gateway, route *scaffold.Route) (*gatewayv1.Listener, error) {
	namespace, listeners := gateway.Namespace, gateway.Spec.Listeners
	if route.ListenerSetName != "" {
		set := &gatewayv1.ListenerSet{}
		key := client.ObjectKey{Namespace: route.ListenerSetNamespace, Name: route.ListenerSetName}
		if err := r.clients.Client.Get(ctx, key, set); err != nil {
			return nil, r.clients.Explain(fmt.Errorf("get listenerset %s: %w", key, err))
		}
		namespace, listeners = set.Namespace, leads.ListenersOfSet(set)
	}
	var https *gatewayv1.Listener
	for i := range listeners {
		listener := &listeners[i]
		if !r.takesNamespace(namespace, listener) || !takesHostname(listener, route.Hostname) {
			continue
		}
		if listener.Protocol == gatewayv1.HTTPProtocolType {
			return listener, nil
		}
		if https == nil {
			https = listener
		}
	}
	return https, nil
}

func (l *liveGateway) close() {
	for _, admin := range l.admins {
		admin.Close()
	}
}

// awaitHandshake sends requests until Envoy has counted a handshake with the
// settings as applied. Connections that are open with these settings answer
// without one: where the policy says what it said before, such an answer will
// do and reused is true; else ever more requests at once make Envoy open
// another connection. Where none of these does, as after a policy was deleted
// and made again at once, such an answer will do too if Envoy has no other
// settings for the backend.
func (l *liveGateway) awaitHandshake(ctx context.Context, generation int64) (reused bool, err error) {
	what := fmt.Sprintf("a TLS handshake of gateway %s with %s", l.name, l.run.spec.Target)
	width, left := 1, maxBurst
	err = l.poll(ctx, what, func(ctx context.Context) (bool, string, error) {
		answers := probe.Send(ctx, l.dialer.Dial, slices.Repeat([]probe.Request{l.request}, width))
		left -= width
		now, err := l.count(ctx)
		if err != nil {
			return false, "", err
		}
		risen := l.risen(now)
		if risen.handshakes > 0 {
			fresh, err := l.connectedAnew(ctx)
			return fresh, l.seen(answers[0]), err
		}
		reused = risen.requests > 0
		if reused && generation != l.generation {
			if reused = left <= 0 && answered(answers[0]); reused {
				reused, err = l.aloneLive(ctx)
			}
		}
		if answered(answers[0]) {
			width = max(1, min(2*width, left))
		}
		return reused, l.seen(answers[0]), err
	})
	return reused, err
}

// maxBurst bounds the requests that only make Envoy open a connection.
const maxBurst = 64

// answered: over a connection to the backend, it seems.
func answered(answer probe.Response) bool { return answer.Err == nil && answer.Status < 500 }

func (l *liveGateway) seen(answer probe.Response) string {
	switch {
	case answer.Err != nil:
		return fmt.Sprintf("%s: %v", l.dialer.Address, answer.Err)
	case answer.Status >= 500 && answer.Body != "":
		return fmt.Sprintf("%s answered %d %q", l.dialer.Address, answer.Status, answer.Body)
	case answer.Status < 500:
		return fmt.Sprintf("%s answered %d, over a connection that was open before", l.dialer.Address, answer.Status)
	}
	return fmt.Sprintf("%s answered %d", l.dialer.Address, answer.Status)
}

// counts are what an Envoy has counted for the backend.
type counts struct{ handshakes, requests uint64 }

// count asks each of admins.
func (l *liveGateway) count(ctx context.Context) ([]counts, error) {
	var all []counts
	for _, admin := range l.admins {
		stats, err := admin.Stats(ctx, l.run.backend.statName)
		if err != nil {
			return nil, fail.Unreachable("the statistics of gateway %s cannot be read: %w", l.name, err)
		}
		all = append(all, counts{handshakes: stats["ssl.handshake"], requests: stats["upstream_rq_total"]})
	}
	return all, nil
}

// risen is by how much now is more than the baseline. Envoy forgets what it
// counted when it removes a cluster, and counts from zero for one that comes
// again: a counter that went down moves the baseline. Requests count only where
// there was a handshake at all.
func (l *liveGateway) risen(now []counts) counts {
	var sum counts
	for i, n := range now {
		if n.handshakes < l.baseline[i].handshakes || n.requests < l.baseline[i].requests {
			l.baseline[i] = counts{}
		}
		sum.handshakes += n.handshakes - l.baseline[i].handshakes
		if n.handshakes > 0 {
			sum.requests += n.requests - l.baseline[i].requests
		}
	}
	return sum
}

// poll asks until it is so. When ctx ends first, the error says what was
// awaited and what was last seen.
func (l *liveGateway) poll(ctx context.Context, what string, ask func(context.Context) (bool, string, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last := "nothing yet"
	for {
		done, seen, err := ask(ctx)
		if done {
			return nil
		}
		if seen != "" {
			last = seen
		}
		if err != nil && ctx.Err() == nil {
			return fail.Unreachable("%s could not be seen: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fail.Failed("%s did not come in %s", what, l.run.o.Timeout).WithDetail("last seen: %s", last)
		case <-ticker.C:
		}
	}
}
