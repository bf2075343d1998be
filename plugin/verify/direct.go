package verify

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// directTimeout bounds one direct handshake, connection included.
const directTimeout = 5 * time.Second

// direct shakes hands with the backend without Envoy: first with what Envoy
// offers, then, where the parameters were refused, with everything. It is nil
// where there is no way to connect from here.
func (o *Options) direct(ctx context.Context, w *world, s subject, e *diagnose.Evidence) *diagnose.Direct {
	dial := o.backendDialer(ctx, w, s)
	if dial == nil {
		return nil
	}
	d := &diagnose.Direct{}
	presented, err := shake(ctx, dial, hello(e))
	var failure *probe.HandshakeError
	switch {
	case err == nil:
		d.Presented = presented
	case errors.Is(err, kube.ErrNoEndpoints):
		return nil
	case errors.As(err, &failure):
		d.Failure, d.Presented = failure, failure.Presented
		if d.Presented == nil && refusesParameters(failure.Failure) {
			wide, wideErr := shake(ctx, dial, probe.Hello{ServerName: e.Identity.SNI})
			if wideErr == nil {
				d.Presented, d.Wide = wide, true
			}
		}
	default:
		d.DialFailure, d.DialError = probe.ClassifyDial(err), err.Error()
	}
	return d
}

func refusesParameters(f probe.Failure) bool {
	switch f {
	case probe.ProtocolVersion, probe.HandshakeRefused, probe.Reset, probe.Closed, probe.Other, probe.NoApplicationProtocol:
		return true
	case probe.Refused, probe.Timeout, probe.NameNotResolved, probe.NotTLS, probe.UnrecognizedName, probe.CertificateRequired:
	}
	return false
}

func shake(ctx context.Context, dial probe.Dialer, hello probe.Hello) (*probe.Presented, error) {
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return probe.Handshake(ctx, conn, hello)
}

// hello offers what the live cluster offers.
func hello(e *diagnose.Evidence) probe.Hello {
	h := probe.Hello{ServerName: e.Identity.SNI}
	for _, p := range e.Live.Proxies {
		if p.Cluster == nil || p.Cluster.TLS == nil {
			continue
		}
		live := p.Cluster.TLS
		if live.SNI != "" {
			h.ServerName = live.SNI
		}
		h.ALPN, h.CipherSuites = live.ALPN, probe.CipherSuites(live.CipherSuites)
		lowest, highest := diagnose.Offered(live)
		h.MinVersion, _ = diagnose.VersionNumber(lowest)
		h.MaxVersion, _ = diagnose.VersionNumber(highest)
		break
	}
	return h
}

func (o *Options) backendDialer(ctx context.Context, w *world, s subject) probe.Dialer {
	if s.kind == kindService {
		return func(ctx context.Context) (net.Conn, error) {
			return o.Clients.DialService(ctx, s.namespace, s.name, s.port)
		}
	}
	backend := &v1alpha1.Backend{}
	found, err := w.get(ctx, s.namespace, s.name, backend)
	if err != nil || !found || backend.Spec.Static == nil || len(backend.Spec.Static.Hosts) == 0 {
		return nil
	}
	host := backend.Spec.Static.Hosts[0]
	return func(ctx context.Context) (net.Conn, error) { return o.Clients.DialHost(ctx, host.Host, host.Port) }
}
