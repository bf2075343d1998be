package controlplane

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxAgeGrace is how long a proxy has, once it was asked to connect anew, before
// it is made to. It does not connect anew by itself: its stream never ends.
const maxAgeGrace = 5 * time.Second

// elect leads whenever it is this replica's turn, until ctx ends. The only one
// there is always leads.
func (c *controller) elect(ctx context.Context) error {
	if c.elector == nil {
		c.lead(ctx)
		return nil
	}
	return c.elector.Run(ctx, c.lead)
}

// lead does what only one replica may do, until ctx ends.
func (c *controller) lead(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	if c.identity != nil {
		parts.Go(func() { c.identity.Lead(ctx) })
	}
	if !c.informed(ctx) {
		return
	}
	if c.deployer != nil {
		parts.Go(func() { c.deploy(ctx) })
	}
	writer := c.newStatusWriter()
	c.pipeline.status.Store(writer)
	defer c.pipeline.status.Store(nil)
	select {
	case c.pipeline.led <- struct{}{}:
	default:
	}
	writer.Run(ctx)
}

// deployAgain is when deploying is begun anew that could not begin.
const deployAgain = time.Second

// deploy keeps the proxies of Gateways until ctx ends.
func (c *controller) deploy(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.deployer.Run(ctx); err != nil {
			c.options.Log.Error(err, "cannot deploy proxies, trying again")
		}
		select {
		case <-ctx.Done():
		case <-c.options.Clock.After(deployAgain):
		}
	}
}

// informed waits until this replica knows what there is and what proxies have
// answered, here and elsewhere. It is false when ctx ends before.
func (c *controller) informed(ctx context.Context) bool {
	waits := []<-chan struct{}{c.pipeline.translated}
	if c.replicas != nil {
		waits = append(waits, c.replicas.Synced())
	}
	for _, wait := range waits {
		select {
		case <-ctx.Done():
			return false
		case <-wait:
		}
	}
	return true
}

// observe passes on a change of an object whose status the leader writes.
func (p *pipeline) observe(object client.Object) {
	if writer := p.status.Load(); writer != nil {
		writer.Observe(object)
	}
}
