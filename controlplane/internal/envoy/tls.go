package envoy

import (
	"errors"
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const tlsTransportSocket = "envoy.transport_sockets.tls"

// upstreamTLS is how Envoy is the TLS client of a cluster's endpoints.
func (b *builder) upstreamTLS(c *ir.Cluster) (*corev3.TransportSocket, error) {
	t := c.TLS
	if err := checkTrust(t); err != nil {
		return nil, err
	}
	if err := b.needSecrets(ir.SecretTrustBundle, t.TrustBundle); err != nil {
		return nil, err
	}
	if err := b.needSecrets(ir.SecretKeyPair, t.ClientCertificate); err != nil {
		return nil, err
	}
	params, err := tlsParameters(t)
	if err != nil {
		return nil, err
	}
	if err := checkALPN(t.ALPN); err != nil {
		return nil, err
	}
	common := &tlsv3.CommonTlsContext{TlsParams: params, AlpnProtocols: upstreamALPN(c)}
	setValidation(common, t)
	setClientCertificate(common, t)
	config, err := packed(&tlsv3.UpstreamTlsContext{
		CommonTlsContext: common,
		Sni:              t.SNI,
		AutoHostSni:      t.AutoSNI,
		// It would take the place of the names that a policy asks for.
		AutoSniSanValidation: t.AutoSNI && len(t.SANs) == 0 && !t.InsecureSkipVerify,
		AllowRenegotiation:   t.AllowRenegotiation,
	})
	if err != nil {
		return nil, err
	}
	return &corev3.TransportSocket{
		Name:       tlsTransportSocket,
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config},
	}, nil
}

// checkTrust refuses a context that would verify nothing without saying so.
func checkTrust(t *ir.UpstreamTLS) error {
	ways := 0
	for _, set := range []bool{t.TrustBundle != "", t.TrustFile != "", t.InsecureSkipVerify} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return fmt.Errorf("exactly one of trust bundle, trust file and insecure must be set, not %d", ways)
	}
	if (t.ClientCertFile == "") != (t.ClientKeyFile == "") {
		return errors.New("a client certificate file needs a key file")
	}
	return nil
}

// checkALPN refuses what would end Envoy: it joins the protocols with commas,
// splits them again, and aborts at an empty one.
func checkALPN(protocols []string) error {
	for _, protocol := range protocols {
		if protocol == "" || strings.Contains(protocol, ",") {
			return fmt.Errorf("ALPN protocol %q must not be empty or have a comma", protocol)
		}
	}
	return nil
}

func upstreamALPN(c *ir.Cluster) []string {
	if len(c.TLS.ALPN) == 0 && c.HTTP2 {
		return []string{alpnHTTP2}
	}
	return c.TLS.ALPN
}

func setValidation(common *tlsv3.CommonTlsContext, t *ir.UpstreamTLS) {
	validation := &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: sanMatchers(t.SANs)}
	switch {
	case t.InsecureSkipVerify:
	case t.TrustFile != "":
		validation.TrustedCa = file(t.TrustFile)
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: validation}
	default:
		common.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext:         validation,
				ValidationContextSdsSecretConfig: sdsSecret(t.TrustBundle),
			},
		}
	}
}

// sanMatchers compare exactly; Envoy lets a wildcard in the certificate match
// an exact DNS name.
func sanMatchers(sans []ir.SAN) []*tlsv3.SubjectAltNameMatcher {
	var matchers []*tlsv3.SubjectAltNameMatcher
	for _, san := range sans {
		sanType := tlsv3.SubjectAltNameMatcher_DNS
		if san.Type == ir.SANURI {
			sanType = tlsv3.SubjectAltNameMatcher_URI
		}
		matchers = append(matchers, &tlsv3.SubjectAltNameMatcher{SanType: sanType, Matcher: exactly(san.Value)})
	}
	return matchers
}

func exactly(value string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value}}
}

func setClientCertificate(common *tlsv3.CommonTlsContext, t *ir.UpstreamTLS) {
	switch {
	case t.ClientCertificate != "":
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{sdsSecret(t.ClientCertificate)}
	case t.ClientCertFile != "":
		common.TlsCertificates = []*tlsv3.TlsCertificate{{
			CertificateChain: file(t.ClientCertFile),
			PrivateKey:       file(t.ClientKeyFile),
		}}
	}
}

// tlsParameters allows TLS 1.2 and 1.3 by default: as a client, Envoy's own
// default stops at 1.2.
func tlsParameters(t *ir.UpstreamTLS) (*tlsv3.TlsParameters, error) {
	params := &tlsv3.TlsParameters{
		CipherSuites:        t.CipherSuites,
		EcdhCurves:          t.Curves,
		SignatureAlgorithms: t.SignatureAlgorithms,
	}
	minimum, err := tlsVersion(t.MinVersion, tlsv3.TlsParameters_TLSv1_2)
	if err != nil {
		return nil, err
	}
	maximum, err := tlsVersion(t.MaxVersion, tlsv3.TlsParameters_TLSv1_3)
	if err != nil {
		return nil, err
	}
	if t.MinVersion == "" {
		minimum = min(minimum, maximum)
	}
	if minimum > maximum {
		return nil, fmt.Errorf("minimum TLS version %s is above the maximum %s", t.MinVersion, t.MaxVersion)
	}
	params.TlsMinimumProtocolVersion, params.TlsMaximumProtocolVersion = minimum, maximum
	return params, nil
}

func tlsVersion(version string, fallback tlsv3.TlsParameters_TlsProtocol) (tlsv3.TlsParameters_TlsProtocol, error) {
	switch version {
	case "":
		return fallback, nil
	case "1.0":
		return tlsv3.TlsParameters_TLSv1_0, nil
	case "1.1":
		return tlsv3.TlsParameters_TLSv1_1, nil
	case "1.2":
		return tlsv3.TlsParameters_TLSv1_2, nil
	case "1.3":
		return tlsv3.TlsParameters_TLSv1_3, nil
	default:
		return 0, fmt.Errorf("unknown TLS version %q", version)
	}
}
