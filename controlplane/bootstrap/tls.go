package bootstrap

import (
	"path"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Names of the two secrets that Envoy reads from files.
const (
	certificateName = "tlsgw-xds-certificate"
	authorityName   = "tlsgw-xds-authority"
)

// controllerTLS verifies the controller by its name, whatever address the
// proxy dials.
func controllerTLS(o Options) (*corev3.TransportSocket, error) {
	config, err := packed(&tlsv3.UpstreamTlsContext{
		Sni: contract.XDSServerName,
		CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
				TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			},
			AlpnProtocols: []string{"h2"},
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{
				fromFile(certificateName, path.Join(o.Folder, certificateFile)),
			},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
				CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
					DefaultValidationContext: &tlsv3.CertificateValidationContext{
						MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
							SanType: tlsv3.SubjectAltNameMatcher_DNS,
							Matcher: &matcherv3.StringMatcher{
								MatchPattern: &matcherv3.StringMatcher_Exact{Exact: contract.XDSServerName},
							},
						}},
					},
					ValidationContextSdsSecretConfig: fromFile(authorityName, path.Join(o.Folder, authorityFile)),
				},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config},
	}, nil
}

func fromFile(name, file string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{
			PathConfigSource: &corev3.PathConfigSource{Path: file},
		},
	}}
}

// secrets say where the certificates are, by the name of their file. Only a
// secret that comes by SDS is read again when its files change, which is why
// these are files of their own.
func secrets(o Options) map[string]*tlsv3.Secret {
	return map[string]*tlsv3.Secret{
		certificateFile: {
			Name: certificateName,
			Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
				CertificateChain: file(o.CertificateFile),
				PrivateKey:       file(o.KeyFile),
				WatchedDirectory: &corev3.WatchedDirectory{Path: path.Dir(o.CertificateFile)},
			}},
		},
		authorityFile: {
			Name: authorityName,
			Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
				TrustedCa:        file(o.CAFile),
				WatchedDirectory: &corev3.WatchedDirectory{Path: path.Dir(o.CAFile)},
			}},
		},
	}
}

// response is what Envoy expects in a file of SDS.
func response(secret *tlsv3.Secret) (*discoveryv3.DiscoveryResponse, error) {
	resource, err := packed(secret)
	if err != nil {
		return nil, err
	}
	return &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}}, nil
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}
