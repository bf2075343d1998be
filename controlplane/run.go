package controlplane

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// Run serves the Gateways of a cluster until ctx ends, then lets the proxies'
// streams end and returns nil. It owns the listeners of o from the start.
func Run(ctx context.Context, o Options) (err error) {
	defer func() { err = errors.Join(err, closeListeners(o)) }()
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	server := xds.New(xds.Options{
		Logger: o.Log.WithName("xds"),
		TLS:    xds.TLSFiles{CA: o.XDSTLS.CA, Certificate: o.XDSTLS.Certificate, Key: o.XDSTLS.Key},
	})
	defer server.Close()
	p, err := newPipeline(o, server)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.source.Run(ctx) })
	group.Go(func() error { p.status.Run(ctx); return nil })
	group.Go(func() error { p.run(ctx); return nil })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-p.translated:
		}
		o.Log.Info("serving xDS", "address", o.XDSListener.Addr().String())
		return server.Serve(ctx, o.XDSListener)
	})
	if o.HealthListener != nil {
		group.Go(func() error { return serveHealth(ctx, o.HealthListener, p.readiness) })
	}
	return group.Wait()
}

// newPipeline connects the parts.
func newPipeline(o Options, served proxies) (*pipeline, error) {
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
	writer, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the API server at %s: %w", config.Host, err)
	}
	p := &pipeline{options: o, proxies: served, translated: make(chan struct{})}
	p.source, err = source.New(config, source.Options{
		Scheme: scheme, Quiet: quiet, Cap: most, Clock: o.Clock,
		Log:     o.Log.WithName("source"),
		Observe: func(object client.Object) { p.status.Observe(object) },
	})
	if err != nil {
		return nil, withInstallSteps(err)
	}
	p.status = status.New(status.Options{
		Client: writer, Get: p.source.Get, ControllerName: o.Translation.ControllerName,
		Clock: o.Clock, Log: o.Log.WithName("status"),
	})
	p.barrier = newBarrier(p.source, o.Clock)
	return p, nil
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
		err = fmt.Errorf("%w; those of gateway.kgateway.dev are in templates/crds of this project", err)
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
