package translate

import (
	"slices"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// clientCertificate is what the proxies of a Gateway present to backends.
type clientCertificate struct {
	// secret is nil where the reference is not good. Then no backend is reached
	// to which it would have been presented: a backend that asks for it only
	// sometimes would take its absence for an anonymous client.
	secret  *ir.Secret
	problem *problem
	// clusters are those that present it, by the name of the cluster that does
	// not and is shared with other Gateways.
	clusters map[string]*ir.Cluster
}

// clientCertificateOf reads spec.tls.backend; nil where it asks for none.
func (t *translation) clientCertificateOf(g *gateway) *clientCertificate {
	tls := g.object.Spec.TLS
	if tls == nil || tls.Backend == nil || tls.Backend.ClientCertificateRef == nil {
		return nil
	}
	c := &clientCertificate{clusters: map[string]*ir.Cluster{}}
	c.secret, c.problem = t.certificate(g.ref(), tls.Backend.ClientCertificateRef,
		string(gatewayv1.GatewayReasonInvalidClientCertificateRef), t.keyPair)
	if c.problem != nil {
		c.problem = problemf(c.problem.reason, "spec.tls.backend.clientCertificateRef: %s", c.problem.message)
	}
	return c
}

// reach is the cluster by which a Gateway that has the certificate reaches
// what others reach by shared: with TLS it is presented, unless a
// BackendConfigPolicy has another for this backend, or wants none. It is nil
// where the backend must not be reached.
func (c *clientCertificate) reach(shared *ir.Cluster) *ir.Cluster {
	if c == nil || shared.TLS == nil || shared.TLS.NoClientCertificate || shared.TLS.ClientCertificate != "" || shared.TLS.ClientCertFile != "" {
		return shared
	}
	if c.secret == nil {
		return nil
	}
	own, ok := c.clusters[shared.Name]
	if !ok {
		copied, tls := *shared, *shared.TLS
		tls.ClientCertificate = c.secret.Name
		copied.TLS = &tls
		copied.SetName()
		own = &copied
		c.clusters[shared.Name] = own
	}
	return own
}

// renamed are the names of the clusters that take the place of backends' shared
// ones.
func (c *clientCertificate) renamed(backends []*backend) map[string]string {
	if c == nil {
		return nil
	}
	names := map[string]string{}
	for _, b := range backends {
		if b.cluster == nil {
			continue
		}
		switch own := c.reach(b.cluster); {
		case own == nil:
			names[b.cluster.Name] = contract.InvalidCluster
		case own != b.cluster:
			names[b.cluster.Name] = own.Name
		}
	}
	return names
}

// renameForward leads a copy of forward to clusters of other names.
func renameForward(forward *ir.Forward, names map[string]string) *ir.Forward {
	renamed := *forward
	renamed.Clusters = renameClusters(forward.Clusters, names)
	renamed.Mirrors = nil
	for _, mirror := range forward.Mirrors {
		if name, ok := names[mirror.Cluster]; ok {
			mirror.Cluster = name
		}
		if mirror.Cluster != contract.InvalidCluster {
			renamed.Mirrors = append(renamed.Mirrors, mirror)
		}
	}
	return &renamed
}

// renameConnect leads connections to clusters of other names.
func renameConnect(connect *ir.Connect, names map[string]string) *ir.Connect {
	if len(names) == 0 {
		return connect
	}
	return &ir.Connect{Name: connect.Name, Clusters: renameClusters(connect.Clusters, names)}
}

// renameClusters gives copies of clusters of other names.
func renameClusters(clusters []ir.WeightedCluster, names map[string]string) []ir.WeightedCluster {
	renamed := slices.Clone(clusters)
	for i := range renamed {
		if name, ok := names[renamed[i].Cluster]; ok {
			renamed[i].Cluster = name
		}
	}
	return renamed
}
