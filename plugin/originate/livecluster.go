package originate

import (
	"context"
	"fmt"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// awaitCluster waits until every proxy of the Gateway has the backend's
// cluster with the settings of the policy. What is counted until then was
// counted with other settings, and moves the baseline.
func (l *liveGateway) awaitCluster(ctx context.Context) error {
	for _, admin := range l.admins {
		what := fmt.Sprintf("cluster %s with TLS as applied in the Envoy of gateway %s (%s)", l.run.backend.statName, l.name, admin.Name)
		err := l.poll(ctx, what, func(ctx context.Context) (bool, string, error) {
			now, err := l.count(ctx)
			if err != nil {
				return false, "", err
			}
			live, seen, err := l.clusterLive(ctx, admin)
			if err == nil && !live {
				for i := range now {
					l.baseline[i].handshakes = now[i].handshakes
				}
			}
			return live, seen, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *liveGateway) clusterLive(ctx context.Context, admin *probe.Admin) (bool, string, error) {
	clusters, err := l.clusters(ctx, admin)
	if err != nil {
		return false, "", err
	}
	seen := "Envoy has no such cluster"
	for _, cluster := range clusters {
		switch {
		case cluster.Rejected != "":
			seen = "Envoy rejects it: " + cluster.Rejected
		case cluster.Warming:
			seen = "Envoy is warming it up"
		default:
			if seen = l.differs(cluster.TLS); seen == "" {
				return true, "", nil
			}
		}
	}
	return false, seen, nil
}

// aloneLive tells whether no proxy has other settings for the backend than
// those that were applied.
func (l *liveGateway) aloneLive(ctx context.Context) (bool, error) {
	for _, admin := range l.admins {
		clusters, err := l.clusters(ctx, admin)
		if err != nil || len(clusters) == 0 {
			return false, err
		}
		for _, cluster := range clusters {
			if cluster.Rejected != "" || cluster.Warming || l.differs(cluster.TLS) != "" {
				return false, nil
			}
		}
	}
	return true, nil
}

func (l *liveGateway) clusters(ctx context.Context, admin *probe.Admin) ([]probe.Cluster, error) {
	stat := l.run.backend.statName
	return admin.Clusters(ctx, func(_, statName string) bool { return statName == stat })
}

// differs says in what a live cluster is not as applied; empty if in nothing
// that can be told.
func (l *liveGateway) differs(live *probe.TLSContext) string {
	if live == nil {
		return "Envoy has it in plaintext"
	}
	if d := settings(&l.run.spec).Differs(live, l.controller == ownController); d != nil {
		return "Envoy has it with " + d.Presented
	}
	return ""
}

// settings are what the policy of a Spec makes of TLS.
func settings(spec *scaffold.Spec) *diagnose.Settings {
	s := &diagnose.Settings{
		SNI: spec.SNI, Insecure: spec.Trust.Insecure, MinTLS: spec.MinTLS, MaxTLS: spec.MaxTLS,
	}
	switch {
	case len(spec.Trust.Bundle) > 0 && spec.Policy == scaffold.BackendConfigPolicy:
		s.Refs = []string{"secret/" + spec.BundleName()}
	case len(spec.Trust.Bundle) > 0:
		s.Refs = []string{"configmap/" + spec.BundleName()}
	case spec.Trust.ConfigMap != "":
		s.Refs = []string{"configmap/" + spec.Trust.ConfigMap}
	case spec.Trust.Secret != "":
		s.Refs = []string{"secret/" + spec.Trust.Secret}
	}
	for _, san := range spec.SANs {
		kind := diagnose.DNS
		if scaffold.IsURI(san) {
			kind = diagnose.URI
		}
		s.Names = append(s.Names, string(kind)+":"+san)
	}
	if len(spec.SANs) == 0 && spec.SNI != "" {
		s.Names = []string{string(diagnose.DNS) + ":" + spec.SNI}
	}
	return s
}

// connections counts the connections that Envoy has opened, by the name of
// the cluster. A changed policy can have a cluster of its own beside the one
// before, under the same name in the statistics: then only this tells them
// apart. Of a single cluster it is not asked, as the answer names all others.
func (l *liveGateway) connections(ctx context.Context) (map[string]uint64, error) {
	sum := map[string]uint64{}
	for _, admin := range l.admins {
		clusters, err := l.clusters(ctx, admin)
		if err != nil {
			return nil, fail.Unreachable("the configuration of gateway %s cannot be read: %w", l.name, err)
		}
		for _, cluster := range clusters {
			endpoints, err := admin.Endpoints(ctx, cluster.Name)
			if err != nil {
				return nil, fail.Unreachable("the endpoints of gateway %s cannot be read: %w", l.name, err)
			}
			for _, endpoint := range endpoints {
				sum[cluster.Name] += endpoint.Connections
			}
		}
	}
	return sum, nil
}

// connectedAnew says whether a cluster with the settings as applied has opened
// a connection, so that a handshake is not one of another cluster that goes.
func (l *liveGateway) connectedAnew(ctx context.Context) (bool, error) {
	for _, admin := range l.admins {
		clusters, err := l.clusters(ctx, admin)
		if err != nil {
			return false, err
		}
		if len(clusters) == 1 {
			return true, nil
		}
		for _, cluster := range clusters {
			if cluster.Warming || l.differs(cluster.TLS) != "" {
				continue
			}
			endpoints, err := admin.Endpoints(ctx, cluster.Name)
			if err != nil {
				return false, err
			}
			var sum uint64
			for _, endpoint := range endpoints {
				sum += endpoint.Connections
			}
			if sum < l.connected[cluster.Name] {
				l.connected[cluster.Name] = 0 // It was removed, and came again.
			}
			if sum > l.connected[cluster.Name] {
				return true, nil
			}
		}
	}
	return false, nil
}
