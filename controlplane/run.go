package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
)

// Run serves the Gateways of a cluster until ctx ends, then lets the proxies'
// streams end and returns nil. It owns the listeners of o from the start.
//
// A replica of several (Options.Cluster) goes in steps: it gives leadership
// away and is not ready any more; it serves on until nobody sends it new
// connections; it ends the streams one after the other; and then it ends.
func Run(ctx context.Context, o Options) (err error) {
	defer func() { err = errors.Join(err, closeListeners(o)) }()
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	c, err := newController(o)
	if err != nil {
		return err
	}
	defer c.xds.Close()
	return c.run(ctx)
}

// run starts every part, and ends them in their order.
func (c *controller) run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	leading, stopLeading := context.WithCancel(work)
	defer stopLeading()
	serving, stopServing := context.WithCancel(work)
	defer stopServing()
	served := make(chan struct{})
	group.Go(func() error { return c.pipeline.source.Run(work) })
	group.Go(func() error { c.pipeline.run(work); return nil })
	group.Go(func() error { return c.elect(leading) })
	group.Go(func() error {
		defer close(served)
		return c.serve(serving)
	})
	if c.identity != nil {
		group.Go(func() error { return c.identity.Run(work) })
	}
	if c.replicas != nil {
		group.Go(func() error { c.replicas.Run(work); return nil })
	}
	if l := c.options.HealthListener; l != nil {
		probes := health{alive: c.alive, ready: c.readiness, metrics: c.metrics.Handler()}
		group.Go(func() error { return probes.serve(work, l) })
	}
	group.Go(func() error {
		defer stop()
		select {
		case <-work.Done():
			return nil
		case <-ctx.Done():
		}
		c.draining.Store(true)
		stopLeading()
		c.propagate(work)
		stopServing()
		<-served
		return nil
	})
	return group.Wait()
}

// propagate waits until no new connections are sent here.
func (c *controller) propagate(ctx context.Context) {
	if c.options.Cluster == nil {
		return
	}
	c.options.Log.Info("ending: leading no more, and not ready; proxies are served until others have taken over",
		"for", c.options.Cluster.Times.Propagation.String())
	timer := c.options.Clock.NewTimer(c.options.Cluster.Times.Propagation)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// serve serves xDS once there is something to serve, and to show.
func (c *controller) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.pipeline.translated:
	}
	if !c.identified(ctx) {
		return nil
	}
	c.options.Log.Info("serving xDS", "address", c.options.XDSListener.Addr().String())
	c.serving.Store(true)
	defer c.serving.Store(false)
	return c.xds.Serve(ctx, c.options.XDSListener)
}

// identified waits until the controller has a certificate. It is false when ctx
// ends before.
func (c *controller) identified(ctx context.Context) bool {
	if c.identity == nil {
		return true
	}
	const again = 20 * time.Millisecond
	tick := time.NewTicker(again)
	defer tick.Stop()
	for c.identity.Ready() != nil {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// withInstallSteps says how to install what the API server does not serve.
func withInstallSteps(err error) error {
	missing, ok := errors.AsType[*source.MissingError](err)
	if !ok {
		return err
	}
	if missing.GatewayAPI() {
		err = fmt.Errorf("%w; Gateway API is installed with: kubectl apply --server-side -f "+
			"https://github.com/kubernetes-sigs/gateway-api/releases/download/%s/standard-install.yaml", err, gatewayAPIVersion)
	}
	if missing.Own() {
		err = fmt.Errorf("%w; those of gateway.kgateway.dev are installed with: kubectl tlsgw install", err)
	}
	return err
}

// gatewayAPIVersion is the version whose standard channel has every kind that
// the controller reads.
const gatewayAPIVersion = "v1.6.3"

func closeListeners(o Options) error {
	var failed []error
	if o.XDSListener != nil {
		failed = append(failed, ignoreClosed(o.XDSListener.Close()))
	}
	if o.HealthListener != nil {
		failed = append(failed, ignoreClosed(o.HealthListener.Close()))
	}
	return errors.Join(failed...)
}
