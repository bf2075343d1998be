package identity

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

// serverLife is how long a certificate that the controller shows lives.
const serverLife = presentMargin

// Config is the server side of mutual TLS. It follows the Secret and the clock
// with every handshake; until Ready, handshakes fail. The error is always nil:
// it is there for other sources of TLS.
func (a *Authority) Config() (*tls.Config, error) {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return a.handshake() },
	}, nil
}

// handshake is the configuration for one handshake.
func (a *Authority) handshake() (*tls.Config, error) {
	if err := a.Ready(); err != nil {
		return nil, err
	}
	v := a.look()
	own, err := a.serve(v)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	for _, accepted := range v.accepted {
		clients.AddCert(accepted.Certificate())
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{*own},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		NextProtos:   []string{"h2"},
		Time:         a.options.Clock.Now,
		// A ticket would let in who is no longer trusted.
		SessionTicketsDisabled: true,
	}, nil
}

// serve gives the certificate that the controller shows, made anew when a
// third of its life is left.
func (a *Authority) serve(v view) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.options.Clock.Now()
	if own, ok := a.served[v.shown.id]; ok && !stale(own.Leaf, now) {
		return own, nil
	}
	pair, err := a.leaf(v.shown, serverLife, pki.Spec{
		CommonName: contract.XDSServerName,
		DNSNames:   []string{contract.XDSServerName},
		Usage:      pki.Server,
	})
	if err != nil {
		return nil, err
	}
	own := pair.TLS()
	// Others are of CAs that are not shown any more.
	a.served = map[[sha256.Size]byte]*tls.Certificate{v.shown.id: &own}
	return &own, nil
}
