// Package sample is the TLS backend that a dev cluster brings to try things
// on, svc/nginx: good, or broken in one way on purpose. In goes a Break; out
// come certificates, a configuration for nginx, and, for a machine without
// nginx, a server with the same answers.
package sample

import (
	"fmt"
	"net"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
)

const (
	// Hostname is what the sample's certificate is for.
	Hostname = "example.com"
	// otherHostname is what it is for when it is broken by cluster.BreakSNI.
	otherHostname = "other.example"
)

// Material is what the sample serves with, as PEM.
type Material struct {
	// Certificate and Key are the server's.
	Certificate, Key []byte
	// Bundle is what the cluster is told to trust.
	Bundle []byte
	// ClientCA signs the client certificates that the sample accepts when
	// it wants one.
	ClientCA []byte
}

// NewMaterial makes certificates for a sample that is broken as given.
func NewMaterial(maker *pki.Maker, b cluster.Break, now time.Time) (Material, error) {
	ca, err := maker.CA(pki.Spec{CommonName: "tlsgw sample CA"})
	if err != nil {
		return Material{}, fmt.Errorf("make sample: %w", err)
	}
	spec := pki.Spec{CommonName: Hostname, DNSNames: []string{Hostname}}
	trusted, clientCA := ca, ca
	switch b {
	case cluster.BreakSNI:
		spec.CommonName, spec.DNSNames = otherHostname, []string{otherHostname}
	case cluster.BreakExpired:
		spec.NotBefore, spec.NotAfter = now.AddDate(0, -2, 0), now.AddDate(0, -1, 0)
	case cluster.BreakCA:
		if trusted, err = maker.CA(pki.Spec{CommonName: "a CA that did not sign the sample"}); err != nil {
			return Material{}, fmt.Errorf("make sample: %w", err)
		}
	case cluster.BreakClientCert:
		if clientCA, err = maker.CA(pki.Spec{CommonName: "tlsgw sample client CA"}); err != nil {
			return Material{}, fmt.Errorf("make sample: %w", err)
		}
	case cluster.BreakNothing, cluster.BreakPlaintext, cluster.BreakTLSVersion:
	}
	leaf, err := maker.Leaf(ca, spec)
	if err != nil {
		return Material{}, fmt.Errorf("make sample: %w", err)
	}
	key, err := leaf.Key().PEM()
	if err != nil {
		return Material{}, fmt.Errorf("make sample: %w", err)
	}
	return Material{
		Certificate: leaf.ChainPEM(), Key: key, Bundle: trusted.CertPEM(), ClientCA: clientCA.CertPEM(),
	}, nil
}

// Server is how the sample is served. All paths are absolute.
type Server struct {
	// Port is where it listens, on 127.0.0.1 unless Listen, which is for pods,
	// is another address.
	Port   int
	Listen string `json:",omitempty"`
	// Break is how it is broken.
	Break cluster.Break
	// CertificateFile, KeyFile and ClientCAFile hold the Material.
	CertificateFile, KeyFile, ClientCAFile string
	// Dir is a folder for what nginx writes.
	Dir string
}

func (s Server) address() string {
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(s.Port))
}
