package envoy

import (
	"errors"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// setClients has Envoy verify the certificates of clients. What a client says
// of certificates in headers is dropped in any case: the connection manager
// sanitises x-forwarded-client-cert by default.
func (b *builder) setClients(context *tlsv3.DownstreamTlsContext, clients *ir.ClientValidation) error {
	if clients == nil {
		return nil
	}
	if clients.TrustBundle == "" {
		return errors.New("clients are to be verified by nothing")
	}
	if err := b.needSecrets(ir.SecretTrustBundle, clients.TrustBundle); err != nil {
		return err
	}
	validation := &tlsv3.CertificateValidationContext{}
	if clients.InsecureFallback {
		// Clients are still asked, so that the handshake is the same.
		validation.TrustChainVerification = tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED
	} else {
		context.RequireClientCertificate = wrapperspb.Bool(true)
	}
	context.CommonTlsContext.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
		CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext:         validation,
			ValidationContextSdsSecretConfig: sdsSecret(clients.TrustBundle),
		},
	}
	return nil
}
