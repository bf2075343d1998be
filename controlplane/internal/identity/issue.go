package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

// clientLife is how long a proxy's certificate lives.
const clientLife = 90 * day

// Issue makes a client certificate, as PEM with its key, for the proxies of
// one Gateway: it allows to read that Gateway's configuration and nothing
// else. It lives for 90 days, or as long as the CA. It fails until Ready.
func (a *Authority) Issue(namespace, gateway string) (certPEM, keyPEM []byte, notAfter time.Time, err error) {
	if err := a.Ready(); err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("issue the certificate of Gateway %s/%s: %w", namespace, gateway, err)
	}
	pair, err := a.issue(namespace, gateway)
	if err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("issue the certificate of Gateway %s/%s: %w", namespace, gateway, err)
	}
	if keyPEM, err = pair.Key().PEM(); err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("issue the certificate of Gateway %s/%s: %w", namespace, gateway, err)
	}
	return pair.ChainPEM(), keyPEM, pair.Certificate().NotAfter, nil
}

func (a *Authority) issue(namespace, gateway string) (*pki.Pair, error) {
	for _, part := range []string{namespace, gateway} {
		// Kubernetes allows neither; here they would name another Gateway.
		if part == "" || strings.ContainsAny(part, "/%?#") {
			return nil, fmt.Errorf("%q cannot be part of its name", part)
		}
	}
	return a.leaf(a.look().signer, clientLife, pki.Spec{
		CommonName: "tlsgw proxy",
		URIs:       []string{contract.NodeURI(namespace, gateway)},
		Usage:      pki.Client,
	})
}

// leaf signs; nothing outlives its CA.
func (a *Authority) leaf(signer authority, life time.Duration, spec pki.Spec) (*pki.Pair, error) {
	now := a.options.Clock.Now()
	spec.NotBefore, spec.NotAfter = now.Add(-backdate), now.Add(life)
	if begin := signer.Certificate().NotBefore; spec.NotBefore.Before(begin) {
		spec.NotBefore = begin
	}
	if signer.ends().Before(spec.NotAfter) {
		spec.NotAfter = signer.ends()
	}
	return a.maker.Leaf(signer.Pair, spec)
}

// Keep is nil when a certificate that Issue made for the Gateway can stay in
// use, and says otherwise why Issue must make another: it is another
// Gateway's, it cannot be read, its CA is no longer in the Secret, or a third
// of its life is left. Until Ready nothing can be judged, and all is kept.
func (a *Authority) Keep(namespace, gateway string, certPEM, keyPEM []byte) error {
	v := a.look()
	if !v.usable() {
		return nil
	}
	pair, err := pki.Load(certPEM, keyPEM)
	if err != nil {
		return err
	}
	certificate, now := pair.Certificate(), a.options.Clock.Now()
	own := contract.NodeURI(namespace, gateway)
	if len(certificate.URIs) != 1 || certificate.URIs[0].String() != own {
		return fmt.Errorf("the certificate is not for %s", own)
	}
	if !slices.ContainsFunc(v.current, func(ca authority) bool {
		return certificate.CheckSignatureFrom(ca.Certificate()) == nil
	}) {
		return errors.New("the certificate is of a CA that is no longer in use")
	}
	if certificate.IsCA || !slices.Equal(certificate.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		return errors.New("the certificate is not one for a client")
	}
	if stale(certificate, now) {
		return fmt.Errorf("the certificate ends on %s", certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// stale tells whether it is time to renew.
func stale(certificate *x509.Certificate, now time.Time) bool {
	life := certificate.NotAfter.Sub(certificate.NotBefore)
	return certificate.NotAfter.Sub(now) <= life/renewFraction
}
