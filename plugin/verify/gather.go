package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// settleTime is how long a live configuration that is not as it should be is
// given to become so.
const settleTime = 2 * time.Second

// gather collects the evidence about one subject. An error means that the API
// server could not be asked; what is known until then is returned with it.
func (o *Options) gather(ctx context.Context, w *world, s subject) (*diagnose.Evidence, error) {
	e := &diagnose.Evidence{
		Now: w.now, ContextNamespace: o.Clients.ContextNamespace, Connection: flagsOf(o.Clients),
		AllowInsecure: o.AllowInsecure, Expect: o.Expect.String(),
		Target: diagnose.Target{Kind: s.kind, Namespace: s.namespace, Name: s.name, Port: s.port, Missing: s.missing, Nearest: s.nearest, PortFlag: s.portFlag},
	}
	e.Live.StatName = statName(s)
	if o.GatewayName != "" {
		e.Through = o.GatewayNamespace + "/" + o.GatewayName
	}
	for _, err := range w.unreadPolicies {
		e.Notes = append(e.Notes, fmt.Sprintf("there may be a policy that overrides this one: %v", err))
	}
	if s.policy == nil {
		return e, s.unread
	}
	if err := w.judge(ctx, &s, e); err != nil {
		return e, err
	}
	y, err := o.way(ctx, w, s)
	if err != nil {
		return e, err
	}
	if y != nil {
		e.Route, e.Gateway = y.evidence(s)
	} else if e.OtherRoute, err = o.otherRoute(ctx, w, s); err != nil {
		return e, err
	}
	if err := w.awaitStatus(ctx, &s, e); err != nil {
		return e, err
	}
	if diagnose.Blocked(e) || y == nil || y.gateway == nil {
		return e, nil
	}
	if y.listener == nil {
		e.Route.Accepted = &diagnose.Condition{Reason: "NoMatchingListener",
			Message: fmt.Sprintf("%s has no HTTP or HTTPS listener for it", e.Gateway.Place())}
		return e, nil
	}
	return e, o.exercise(ctx, w, s, y, e)
}

// judge puts the policy into the evidence, with what it refers to.
func (w *world) judge(ctx context.Context, s *subject, e *diagnose.Evidence) error {
	e.Policy, e.Identity = s.policy.evidence(s.winner), s.policy.identity
	if s.unread != nil {
		return s.unread
	}
	flags, ok := w.originated(ctx, s)
	e.Policy.Flags, e.Policy.Foreign = flags, !ok
	var err error
	e.Trust, err = w.trust(ctx, s.policy)
	return err
}

// awaitStatus reads the policy again while its status is not of the policy as
// it is: a controller that runs takes a moment to judge a change.
func (w *world) awaitStatus(ctx context.Context, s *subject, e *diagnose.Evidence) error {
	for diagnose.Unjudged(e) {
		late := time.Now().After(w.settled)
		if !late {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settleTime / 10):
			}
		}
		if err := w.refresh(ctx, s.policy); err != nil {
			return err
		}
		if err := w.judge(ctx, s, e); err != nil || late {
			return err
		}
	}
	return nil
}

// refresh reads a policy again. One that is gone stays as it was.
func (w *world) refresh(ctx context.Context, p *policy) error {
	object, ok := p.object.DeepCopyObject().(client.Object)
	if !ok {
		return nil
	}
	found, err := w.get(ctx, p.namespace, p.name, object)
	if err != nil || !found {
		return err
	}
	var now *policy
	switch read := object.(type) {
	case *gatewayv1.BackendTLSPolicy:
		now = fromBackendTLSPolicy(read)
	case *v1alpha1.BackendConfigPolicy:
		now = fromBackendConfigPolicy(read)
	}
	if now != nil {
		now.targets = p.targets // of those it is asked
		*p = *now
	}
	return nil
}

func statName(s subject) string {
	if s.kind == kindBackend {
		return contract.BackendStatName(s.namespace, s.name)
	}
	return contract.ServiceStatName(s.namespace, s.name, s.port)
}

// exercise reads Envoy, sends requests, and reads Envoy again.
func (o *Options) exercise(ctx context.Context, w *world, s subject, y *way, e *diagnose.Evidence) error {
	e.Sent = true
	counters, done, err := settle(ctx, func() (envoys, error) { return o.envoys(ctx, y.gateway) }, s, y, e)
	defer done()
	if err != nil {
		e.Live.Unavailable = err.Error()
	}
	dialer, err := o.Clients.GatewayAddress(ctx, y.gateway, int32(y.listener.Port))
	if err != nil {
		e.Requests = append(e.Requests, unreachable(y, err))
		return nil
	}
	sender := &sender{
		options: o, dial: dialer.Dial, address: dialer.Address, via: dialer.Via, pods: dialer.Pods,
		request: y.request(o, e.Identity.SNI), counters: counters, evidence: e,
	}
	sender.run(ctx)
	if o.wantsPeer(e) {
		e.Direct = o.direct(ctx, w, s, e)
	}
	return nil
}

func unreachable(y *way, err error) diagnose.Exchange {
	return diagnose.Exchange{
		Response: probe.Response{Err: fmt.Errorf("connecting to the gateway: %w", err)},
		URL:      fmt.Sprintf("port %d", y.listener.Port),
	}
}

// wantsPeer: a failure needs a direct handshake to be told exactly, and the
// outputs that show the peer's certificate have no other source for it.
func (o *Options) wantsPeer(e *diagnose.Evidence) bool {
	return o.Output != outputTable || slices.ContainsFunc(e.Requests, func(x diagnose.Exchange) bool { return !x.Expected })
}

// envoys are the proxies of one Gateway.
type envoys []*probe.Admin

func (o *Options) envoys(ctx context.Context, gateway *gatewayv1.Gateway) (envoys, error) {
	admins, err := o.Clients.EnvoyAdmin(ctx, gateway)
	if err != nil {
		return nil, err
	}
	var all envoys
	for _, a := range admins {
		admin, err := probe.NewAdmin(a.Name, a.BaseURL, a.Client)
		if err != nil {
			return nil, err
		}
		all = append(all, admin)
	}
	return all, nil
}

func (v envoys) close() {
	for _, admin := range v {
		admin.Close()
	}
}

// settle looks until Envoy runs what it should, or for a moment: objects that
// were written just now take the controller and Envoy some milliseconds, and a
// proxy that has just ended counts as ready for about a second. done gives the
// connections back.
func settle(ctx context.Context, find func() (envoys, error), s subject, y *way, e *diagnose.Evidence) (counters *probe.Counters, done func(), err error) {
	found, err := find()
	done = func() { found.close() }
	if err != nil {
		return nil, done, err
	}
	deadline := time.NewTimer(settleTime)
	defer deadline.Stop()
	for {
		counters, err = found.look(ctx, s, y, e)
		if err == nil && !diagnose.Settling(e) {
			return counters, done, nil
		}
		select {
		case <-ctx.Done():
			return counters, done, err
		case <-deadline.C:
			return counters, done, err
		case <-time.After(settleTime / 10):
		}
		if err == nil {
			continue
		}
		if again, findErr := find(); findErr == nil {
			found.close()
			found = again
		}
	}
}

// look finds the subject's cluster in every proxy, and takes the counters.
func (v envoys) look(ctx context.Context, s subject, y *way, e *diagnose.Evidence) (*probe.Counters, error) {
	e.Live.Proxies = nil
	for _, admin := range v {
		proxy, err := lookAt(ctx, admin, s, y)
		if err != nil {
			return nil, err
		}
		if proxy.Cluster != nil {
			e.Live.StatName = proxy.Cluster.StatName
		}
		e.Live.Proxies = append(e.Live.Proxies, proxy)
	}
	counters, err := probe.NewCounters(ctx, e.Live.StatName, v)
	if err != nil {
		return nil, err
	}
	e.Live.Before, e.Live.After = counters.Before(), counters.After()
	return counters, nil
}

func lookAt(ctx context.Context, admin *probe.Admin, s subject, y *way) (diagnose.Proxy, error) {
	proxy := diagnose.Proxy{Name: admin.Name}
	clusters, err := admin.Clusters(ctx, clusterOf(s, y))
	if err != nil || len(clusters) == 0 {
		return proxy, err
	}
	// While settings change there are two: the old one in use, and the new
	// one that warms. What is in use and newest counts.
	slices.SortFunc(clusters, func(a, b probe.Cluster) int {
		if a.Warming != b.Warming {
			if a.Warming {
				return 1
			}
			return -1
		}
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.Name, b.Name))
	})
	proxy.Cluster = &clusters[0]
	if proxy.Endpoints, err = admin.Endpoints(ctx, proxy.Cluster.Name); err != nil {
		return proxy, err
	}
	if proxy.Cluster.TLS == nil {
		return proxy, nil
	}
	if name, found := strings.CutPrefix(proxy.Cluster.TLS.Trust, "secret "); found {
		secret, err := admin.Secret(ctx, name)
		if err != nil {
			return proxy, err
		}
		proxy.Secret = &secret
	}
	return proxy, nil
}

// clusterOf recognises a backend's cluster: by the stat name that this
// project and kgateway give it, and by the names of Istio and Envoy Gateway.
func clusterOf(s subject, y *way) func(name, statName string) bool {
	ours := statName(s)
	istio := fmt.Sprintf("outbound|%d||%s.%s.svc.", s.port, s.name, s.namespace)
	envoyGateway := fmt.Sprintf("httproute/%s/%s/rule/%d", y.route.Namespace, y.route.Name, y.rule)
	return func(name, stat string) bool {
		return stat == ours || name == ours || name == envoyGateway ||
			s.kind == kindService && strings.HasPrefix(name, istio)
	}
}
