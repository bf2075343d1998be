package controlplane

import (
	"fmt"
	"sync/atomic"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/identity"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/leader"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/metrics"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// controller has the parts and joins them.
type controller struct {
	options Options
	// writer writes statuses.
	writer   client.Client
	pipeline *pipeline
	xds      *xds.Server
	metrics  *metrics.Metrics

	// Of a replica only:
	elector  *leader.Elector
	replicas *replica.Exchange
	identity *identity.Authority
	deployer *deploy.Writer

	// serving: proxies can connect. draining: this replica ends.
	serving, draining atomic.Bool
}

// newController connects the parts.
func newController(o Options) (*controller, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.Config)
	// The API server's priority and fairness limits better than a client that
	// knows only itself.
	config.QPS, config.RateLimiter = -1, nil
	// It would end watches too. Writes have a limit of their own.
	config.Timeout = 0
	c := &controller{options: o}
	c.metrics = metrics.New(version(), c.state)
	c.writer, err = client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the API server at %s: %w", config.Host, err)
	}
	p := &pipeline{
		options: o, metrics: c.metrics, settle: usualSettle,
		translated: make(chan struct{}), led: make(chan struct{}, 1),
	}
	c.pipeline = p
	p.source, err = source.New(config, source.Options{
		Scheme: scheme, Quiet: quiet, Cap: most, Clock: o.Clock,
		Log: o.Log.WithName("source"), Observe: p.observe,
	})
	if err != nil {
		return nil, withInstallSteps(err)
	}
	p.barrier = newBarrier(p.source, o.Clock)
	serving := xds.Options{Logger: o.Log.WithName("xds"), Observer: c.metrics}
	if o.Cluster == nil {
		serving.TLS = xds.TLSFiles{CA: o.XDSTLS.CA, Certificate: o.XDSTLS.Certificate, Key: o.XDSTLS.Key}
	} else {
		if err := c.joinReplicas(config); err != nil {
			return nil, err
		}
		serving.TLS = c.identity
		serving.DrainOver = o.Cluster.Times.DrainOver
		serving.MaxAge, serving.MaxAgeGrace = o.Cluster.Times.MaxAge, maxAgeGrace
	}
	c.xds = xds.New(serving)
	p.proxies = c.xds
	return c, nil
}

// joinReplicas makes the parts that only a replica of several has.
func (c *controller) joinReplicas(config *rest.Config) (err error) {
	o := c.options.Cluster
	log := c.options.Log
	c.elector, err = leader.New(leader.Options{
		Config: config, Namespace: o.Namespace, Name: contract.ControllerDeployment, Identity: o.Identity,
		Lease: o.Times.Lease, Renew: o.Times.Renew, Retry: o.Times.Retry, Log: log.WithName("leader"),
	})
	if err != nil {
		return err
	}
	c.replicas, err = replica.New(replica.Options{
		Config: config, Namespace: o.Namespace, Identity: o.Identity, PodUID: o.PodUID,
		Beat: o.Times.Beat, Log: log.WithName("replicas"),
	})
	if err != nil {
		return err
	}
	c.pipeline.replicas, c.pipeline.settle, c.pipeline.grace = c.replicas, o.Times.Settle, o.Times.Grace
	c.identity, err = identity.New(identity.Options{
		Config: config, Namespace: o.Namespace, Clock: c.options.Clock, Log: log.WithName("identity"),
	})
	if err != nil {
		return err
	}
	c.deployer, err = deploy.New(deploy.Options{
		Config: config, Issuer: c.identity,
		Proxy:   deploy.Proxy{Image: o.EnvoyImage, XDSHost: o.XDSHost, XDSPort: o.XDSPort},
		Observe: c.metrics.Deployed, Clock: c.options.Clock, Log: log.WithName("deploy"),
	})
	if err != nil {
		return err
	}
	c.pipeline.deployer = c.deployer
	return nil
}

// newStatusWriter makes one for a term.
func (c *controller) newStatusWriter() *status.Writer {
	return status.New(status.Options{
		Client: c.writer, Get: c.pipeline.source.Get, ControllerName: c.options.Translation.ControllerName,
		Wrote: c.metrics.WroteStatus, Clock: c.options.Clock, Log: c.options.Log.WithName("status"),
	})
}
