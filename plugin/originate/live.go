package originate

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
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
	// baseline is what had been counted before the apply.
	baseline counts
}

// watchGateway looks at the route's Gateway before anything is applied.
func (r *run) watchGateway(ctx context.Context) (*liveGateway, error) {
	live, err := r.findGateway(ctx)
	if err != nil {
		return nil, err
	}
	if live.baseline, err = live.count(ctx); err != nil {
		return nil, err
	}
	policy := r.policyObject()
	err = r.clients.Client.Get(ctx, client.ObjectKeyFromObject(policy), policy)
	if client.IgnoreNotFound(err) != nil {
		return nil, r.clients.Explain(fmt.Errorf("get the policy: %w", err))
	}
	live.baseline.generation = policy.GetGeneration()
	return live, nil
}

func (r *run) findGateway(ctx context.Context) (*liveGateway, error) {
	route := r.spec.Route
	gateway := &gatewayv1.Gateway{}
	key := client.ObjectKey{Namespace: route.GatewayNamespace, Name: route.GatewayName}
	if err := r.clients.Client.Get(ctx, key, gateway); err != nil {
		return nil, r.clients.Explain(fmt.Errorf("get gateway %s: %w", key, err))
	}
	live := &liveGateway{run: r, name: key.String()}
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
	listener := r.listenerFor(gateway)
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
func (r *run) listenerFor(gateway *gatewayv1.Gateway) *gatewayv1.Listener {
	var https *gatewayv1.Listener
	for i := range gateway.Spec.Listeners {
		listener := &gateway.Spec.Listeners[i]
		if !r.takesNamespace(gateway, listener) || !takesHostname(listener, r.spec.Route.Hostname) {
			continue
		}
		if listener.Protocol == gatewayv1.HTTPProtocolType {
			return listener
		}
		if https == nil {
			https = listener
		}
	}
	return https
}

func (l *liveGateway) close() {
	for _, admin := range l.admins {
		admin.Close()
	}
}

// awaitCluster waits until every proxy of the Gateway has the backend's
// cluster with the server name that the policy sends.
func (l *liveGateway) awaitCluster(ctx context.Context) error {
	for _, admin := range l.admins {
		what := fmt.Sprintf("the cluster %s with TLS in the Envoy of gateway %s (%s)", l.run.backend.statName, l.name, admin.Name)
		if err := l.poll(ctx, what, func(ctx context.Context) (bool, string, error) { return l.clusterLive(ctx, admin) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *liveGateway) clusterLive(ctx context.Context, admin *probe.Admin) (bool, string, error) {
	stat := l.run.backend.statName
	clusters, err := admin.Clusters(ctx, func(_, statName string) bool { return statName == stat })
	if err != nil {
		return false, "", err
	}
	seen := "Envoy has no such cluster"
	for _, cluster := range clusters {
		switch {
		case cluster.Rejected != "":
			seen = "Envoy rejects it: " + cluster.Rejected
		case cluster.TLS == nil:
			seen = "Envoy has it in plaintext"
		case cluster.Warming:
			seen = "Envoy is warming it up"
		case cluster.TLS.SNI != l.run.spec.SNI:
			seen = fmt.Sprintf("Envoy has it with the server name %q", cluster.TLS.SNI)
		default:
			return true, "", nil
		}
	}
	return false, seen, nil
}

// awaitHandshake sends requests until Envoy has counted a handshake since
// before the apply. Where the policy says what it said before, an answer over
// a connection that is still open will do.
func (l *liveGateway) awaitHandshake(ctx context.Context, generation int64) error {
	before := l.baseline
	what := fmt.Sprintf("a TLS handshake of gateway %s with %s", l.name, l.run.spec.Target)
	return l.poll(ctx, what, func(ctx context.Context) (bool, string, error) {
		answer := probe.Send(ctx, l.dialer.Dial, []probe.Request{l.request})[0]
		now, err := l.count(ctx)
		if err != nil {
			return false, "", err
		}
		seen := fmt.Sprintf("%s answered %d", l.dialer.Address, answer.Status)
		if answer.Err != nil {
			seen = fmt.Sprintf("%s: %v", l.dialer.Address, answer.Err)
		} else if answer.Status >= 500 && answer.Body != "" {
			seen += fmt.Sprintf(" %q", answer.Body)
		}
		kept := generation == before.generation && now.handshakes > 0 && now.requests > before.requests
		return now.handshakes > before.handshakes || kept, seen, nil
	})
}

// counts are what Envoy has counted for the backend, and which generation of
// the policy it was for.
type counts struct {
	handshakes, requests uint64
	generation           int64
}

func (l *liveGateway) count(ctx context.Context) (counts, error) {
	var sum counts
	for _, admin := range l.admins {
		stats, err := admin.Stats(ctx, l.run.backend.statName)
		if err != nil {
			return counts{}, fail.Unreachable("the statistics of gateway %s cannot be read: %w", l.name, err)
		}
		sum.handshakes += stats["ssl.handshake"]
		sum.requests += stats["upstream_rq_total"]
	}
	return sum, nil
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
			return fail.Failed("%s did not come in %s; last seen: %s", what, l.run.o.Timeout, last)
		case <-ticker.C:
		}
	}
}
