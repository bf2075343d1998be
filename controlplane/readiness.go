package controlplane

import (
	"errors"
	"runtime/debug"
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/metrics"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
)

// readiness is nil while this replica can serve proxies that connect anew.
func (c *controller) readiness() error {
	switch {
	case c.draining.Load():
		return errors.New("this replica ends")
	case !c.pipeline.source.Synced():
		return errors.New("the caches have not synced yet")
	case !c.pipeline.ready.Load():
		return errors.New("nothing has been translated yet")
	}
	if c.identity != nil {
		if err := c.identity.Ready(); err != nil {
			return err
		}
	}
	if !c.serving.Load() {
		return errors.New("xDS is not served yet")
	}
	return nil
}

// alive is nil unless the process must be started anew.
func (c *controller) alive() error { return c.pipeline.watchdog.stuck(c.options.Clock.Now()) }

// seen is what was last reported.
type seen struct {
	live map[ir.Name]status.Live
	held int
}

// state is what metrics tell at a scrape.
func (c *controller) state() metrics.State {
	s := metrics.State{Leading: c.pipeline.status.Load() != nil, Ready: c.readiness() == nil}
	for _, proxies := range c.xds.States() {
		s.Connected += proxies.Connected
	}
	if c.identity != nil {
		s.AuthorityEnds, s.CertificateEnds = c.identity.Expiry()
	}
	last := c.pipeline.seen.Load()
	if last == nil {
		return s
	}
	s.Held = last.held
	for name, live := range last.live {
		s.Gateways = append(s.Gateways, metrics.Gateway{
			Namespace: name.Namespace, Name: name.Name, Proxies: live.Connected, Rejections: len(live.Rejections),
		})
	}
	slices.SortFunc(s.Gateways, func(a, b metrics.Gateway) int {
		return ir.Name{Namespace: a.Namespace, Name: a.Name}.Compare(ir.Name{Namespace: b.Namespace, Name: b.Name})
	})
	return s
}

// version is that of the module in the running binary.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
