package envoy

import (
	"errors"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func buildSecret(secret *ir.Secret) (*tlsv3.Secret, error) {
	if len(secret.Certificates) == 0 {
		return nil, errors.New("no certificate in it")
	}
	out := &tlsv3.Secret{Name: secret.Name}
	switch secret.Kind {
	case ir.SecretTrustBundle:
		out.Type = &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline(secret.Certificates),
		}}
	case ir.SecretKeyPair:
		if len(secret.Key) == 0 {
			return nil, errors.New("no private key in it")
		}
		out.Type = &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(secret.Certificates),
			PrivateKey:       inline(secret.Key),
		}}
	}
	return out, out.Validate()
}

func inline(pem []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pem}}
}

func file(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}

func sdsSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: adsSource()}
}
