package envoy

import (
	"errors"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Limits of a downstream connection, from Envoy's page "Configuring Envoy as
// an edge proxy".
const (
	http2Streams          = 100
	http2StreamWindow     = 64 * 1024
	http2ConnectionWindow = 1024 * 1024
	requestHeadersTimeout = 10 * time.Second
)

// addListener adds the listener and the route configurations of its chains.
func (b *builder) addListener(l *ir.Listener) {
	if _, duplicate := b.resources.Listeners[l.Name]; duplicate {
		b.report("listener", l.Name, errors.New("another listener has this name"))
		return
	}
	listener := &listenerv3.Listener{
		Name:                          l.Name,
		StatPrefix:                    l.Name,
		Address:                       socketAddress(b.options.ListenAddress, l.Port),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
	}
	if err := b.addChains(listener, l); err != nil {
		b.report("listener", l.Name, err)
		return
	}
	if err := listener.Validate(); err != nil {
		b.report("listener", l.Name, err)
		return
	}
	b.resources.Listeners[l.Name] = listener
}

func (b *builder) addChains(listener *listenerv3.Listener, l *ir.Listener) error {
	tls := false
	serverNames := map[string]bool{}
	for i := range l.Chains {
		chain := &l.Chains[i]
		clear(b.staged)
		built, err := guarded(func() (*listenerv3.FilterChain, error) { return b.buildChain(l, chain) })
		if err == nil {
			err = claimServerNames(serverNames, chain.ServerNames)
		}
		if err == nil && chain.Forward == nil {
			err = b.addRoutes(chain)
		}
		if err != nil {
			b.report("filter chain", chain.Name, err)
			if built = b.closedChain(l, chain); built == nil || claimServerNames(serverNames, chain.ServerNames) != nil {
				continue
			}
		}
		b.commit()
		tls = tls || chain.TLS != nil || chain.Forward != nil
		listener.FilterChains = append(listener.FilterChains, built)
	}
	if len(listener.FilterChains) == 0 {
		return errors.New("no filter chain is left")
	}
	if !tls {
		return nil
	}
	inspector, err := packed(&inspectorv3.TlsInspector{})
	if err != nil {
		return err
	}
	listener.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: inspector},
	}}
	return nil
}

// claimServerNames refuses a name twice: Envoy would reject the listener with
// all its chains.
func claimServerNames(claimed map[string]bool, names []string) error {
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		if claimed[name] {
			return fmt.Errorf("another filter chain has server name %q", name)
		}
	}
	for _, name := range names {
		claimed[name] = true
	}
	return nil
}

func (b *builder) buildChain(l *ir.Listener, chain *ir.FilterChain) (*listenerv3.FilterChain, error) {
	filter, err := b.networkFilter(l, chain)
	if err != nil {
		return nil, err
	}
	out := &listenerv3.FilterChain{
		Name:             chain.Name,
		FilterChainMatch: chainMatch(chain),
		Filters:          []*listenerv3.Filter{filter},
	}
	if chain.TLS != nil {
		if out.TransportSocket, err = b.downstreamTLS(chain.TLS, offeredProtocols(chain)); err != nil {
			return nil, err
		}
	}
	return out, out.Validate()
}

// networkFilter is what a chain does with a connection.
func (b *builder) networkFilter(l *ir.Listener, chain *ir.FilterChain) (*listenerv3.Filter, error) {
	if chain.Forward != nil {
		return b.tcpProxy(l.Name, chain)
	}
	manager, err := httpConnectionManager(l.Name, chain.Routes.Name, b.keepCase)
	return &listenerv3.Filter{Name: "envoy.filters.network.http_connection_manager", ConfigType: manager}, err
}

// chainMatch is nil where the chain takes every connection. One that passes
// TLS through takes nothing else: bytes that are not TLS must not get to a
// backend that no policy protects.
func chainMatch(chain *ir.FilterChain) *listenerv3.FilterChainMatch {
	match := &listenerv3.FilterChainMatch{ServerNames: chain.ServerNames}
	if chain.Forward != nil && chain.TLS == nil {
		match.TransportProtocol = "tls"
	}
	if len(match.ServerNames) == 0 && match.TransportProtocol == "" {
		return nil
	}
	return match
}

// offeredProtocols are those of ALPN. What is spoken on a connection that goes
// to a backend as it is, only the backend knows: nothing is offered.
func offeredProtocols(chain *ir.FilterChain) []string {
	if len(chain.TLS.ALPN) > 0 || chain.Forward != nil {
		return chain.TLS.ALPN
	}
	return []string{alpnHTTP2, alpnHTTP1}
}

func (b *builder) downstreamTLS(t *ir.DownstreamTLS, alpn []string) (*corev3.TransportSocket, error) {
	if len(t.Certificates) == 0 {
		return nil, errors.New("TLS without a certificate")
	}
	if err := b.needSecrets(ir.SecretKeyPair, t.Certificates...); err != nil {
		return nil, err
	}
	common := &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
			TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
		},
		AlpnProtocols: alpn,
	}
	for _, name := range t.Certificates {
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs, sdsSecret(name))
	}
	context := &tlsv3.DownstreamTlsContext{CommonTlsContext: common}
	if err := b.setClients(context, t.Clients); err != nil {
		return nil, err
	}
	config, err := packed(context)
	if err != nil {
		return nil, err
	}
	return &corev3.TransportSocket{
		Name:       tlsTransportSocket,
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config},
	}, nil
}

// httpConnectionManager trusts nothing that a client says about itself. Paths
// are normalised, so that "/a/../b" cannot pass a match of "/a"; escaped
// slashes and double slashes stay as the client wrote them, because Gateway
// API compares paths as they are and backends may tell them apart.
func httpConnectionManager(statPrefix, routes string, http1 *corev3.Http1ProtocolOptions) (*listenerv3.Filter_TypedConfig, error) {
	filters, err := httpFilters()
	if err != nil {
		return nil, err
	}
	manager, err := packed(&hcmv3.HttpConnectionManager{
		StatPrefix: statPrefix,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource:    adsSource(),
			RouteConfigName: routes,
		}},
		HttpFilters:                  filters,
		UpgradeConfigs:               []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		UseRemoteAddress:             wrapperspb.Bool(true),
		NormalizePath:                wrapperspb.Bool(true),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		RequestHeadersTimeout:        durationpb.New(requestHeadersTimeout),
		HttpProtocolOptions:          http1,
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(http2Streams),
			InitialStreamWindowSize:     wrapperspb.UInt32(http2StreamWindow),
			InitialConnectionWindowSize: wrapperspb.UInt32(http2ConnectionWindow),
		},
	})
	if err != nil {
		return nil, err
	}
	return &listenerv3.Filter_TypedConfig{TypedConfig: manager}, nil
}
