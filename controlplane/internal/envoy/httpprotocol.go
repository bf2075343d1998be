package envoy

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	casev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/header_formatters/preserve_case/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	alpnHTTP2 = "h2"
	alpnHTTP1 = "http/1.1"
)

// httpProtocol keeps what Envoy speaks in line with what ALPN may agree on:
// where a policy offers both protocols, the handshake decides. Options of a
// protocol that the cluster does not speak are left out.
func httpProtocol(c *ir.Cluster) (*httpv3.HttpProtocolOptions, error) {
	connection := c.Connection
	if connection == nil {
		connection = &ir.Connection{}
	}
	http1, err := http1Options(connection.HTTP1)
	if err != nil {
		return nil, err
	}
	http2 := http2Options(connection.HTTP2)
	out := &httpv3.HttpProtocolOptions{CommonHttpProtocolOptions: commonOptions(connection.HTTP)}
	switch speaks1, speaks2 := c.Protocols(); {
	case speaks1 && speaks2:
		out.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_AutoConfig{
			AutoConfig: &httpv3.HttpProtocolOptions_AutoHttpConfig{HttpProtocolOptions: http1, Http2ProtocolOptions: http2},
		}
	case speaks2:
		out.UpstreamProtocolOptions = explicitly(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: http2},
		})
	default:
		out.UpstreamProtocolOptions = explicitly(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: http1},
		})
	}
	return out, nil
}

func explicitly(config *httpv3.HttpProtocolOptions_ExplicitHttpConfig) *httpv3.HttpProtocolOptions_ExplicitHttpConfig_ {
	return &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: config}
}

func commonOptions(o *ir.HTTPOptions) *corev3.HttpProtocolOptions {
	if o == nil {
		return nil
	}
	return &corev3.HttpProtocolOptions{
		IdleTimeout:              duration(o.IdleTimeout),
		MaxConnectionDuration:    duration(o.MaxConnectionDuration),
		MaxHeadersCount:          number(o.MaxHeadersCount),
		MaxStreamDuration:        duration(o.MaxStreamDuration),
		MaxRequestsPerConnection: number(o.MaxRequestsPerConnection),
	}
}

func http1Options(o *ir.HTTP1Options) (*corev3.Http1ProtocolOptions, error) {
	if o == nil {
		return nil, nil
	}
	out := &corev3.Http1ProtocolOptions{
		EnableTrailers:                          isSet(o.EnableTrailers),
		OverrideStreamErrorOnInvalidHttpMessage: flag(o.OverrideStreamError),
	}
	if !isSet(o.PreserveHeaderCase) {
		return out, nil
	}
	var err error
	out.HeaderKeyFormat, err = preserveCase()
	return out, err
}

// preserveCase has header names written as they were read.
func preserveCase() (*corev3.Http1ProtocolOptions_HeaderKeyFormat, error) {
	formatter, err := packed(&casev3.PreserveCaseFormatterConfig{})
	if err != nil {
		return nil, err
	}
	return &corev3.Http1ProtocolOptions_HeaderKeyFormat{
		HeaderFormat: &corev3.Http1ProtocolOptions_HeaderKeyFormat_StatefulFormatter{
			StatefulFormatter: &corev3.TypedExtensionConfig{Name: "envoy.http.stateful_header_formatters.preserve_case", TypedConfig: formatter},
		},
	}, nil
}

// keptCase has listeners remember the case in which clients write header names,
// where a cluster asks for it. What is remembered is written on to every
// cluster that speaks HTTP/1.1: Envoy keeps it with the headers.
func keptCase(clusters []*ir.Cluster) *corev3.Http1ProtocolOptions {
	asks := func(c *ir.Cluster) bool {
		if c == nil || c.Connection == nil || c.Connection.HTTP1 == nil {
			return false
		}
		http1, _ := c.Protocols()
		return http1 && isSet(c.Connection.HTTP1.PreserveHeaderCase)
	}
	if !slices.ContainsFunc(clusters, asks) {
		return nil
	}
	format, err := preserveCase()
	if err != nil {
		return nil
	}
	return &corev3.Http1ProtocolOptions{HeaderKeyFormat: format}
}

func http2Options(o *ir.HTTP2Options) *corev3.Http2ProtocolOptions {
	if o == nil {
		return nil
	}
	out := &corev3.Http2ProtocolOptions{
		InitialStreamWindowSize:                 number(o.StreamWindow),
		InitialConnectionWindowSize:             number(o.ConnectionWindow),
		MaxConcurrentStreams:                    number(o.MaxConcurrentStreams),
		OverrideStreamErrorOnInvalidHttpMessage: flag(o.OverrideStreamError),
	}
	if o.Ping != nil {
		out.ConnectionKeepalive = &corev3.KeepaliveSettings{
			Timeout:                durationpb.New(o.Ping.Timeout),
			Interval:               duration(o.Ping.Interval),
			ConnectionIdleInterval: duration(o.Ping.IdleInterval),
		}
	}
	return out
}
