// Package bootstrap makes the static configuration with which a Gateway's
// Envoy starts. In go addresses, ports and paths of certificates; out come
// files: Main, which Envoy reads with --config-path (JSON is YAML too), and
// those to which it points for the certificates. Envoy reads a certificate
// again when a file is moved into its folder, so that a rotation needs no
// restart.
package bootstrap

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

const (
	// xdsCluster names the static cluster of the controller.
	xdsCluster = "tlsgw-xds"

	loopback = "127.0.0.1"

	// A proxy that has lost the controller tries again at once and then often:
	// what it costs the controller is one handshake.
	retryBase, retryMax = 100 * time.Millisecond, time.Second

	connectTimeout                       = 2 * time.Second
	keepaliveInterval, keepaliveDeadline = 30 * time.Second, 10 * time.Second

	// maxConnections keeps a flood of connections from taking all memory.
	maxConnections = 50_000
)

// Options describe one Envoy.
type Options struct {
	// Namespace and Gateway name the Gateway that this Envoy serves.
	Namespace, Gateway string
	// XDSHost, a name or an IP address, and XDSPort are where the controller
	// serves ADS. Zero is contract.XDSPort.
	XDSHost string
	XDSPort uint16
	// CAFile verifies the controller; CertificateFile and KeyFile are the
	// proxy's own, with the URI SAN contract.NodeURI. All are paths of PEM
	// files. Certificate and key are in one folder.
	CAFile, CertificateFile, KeyFile string
	// Folder is where Envoy finds the files of this package.
	Folder string
	// AdminPort is the port of the admin interface on 127.0.0.1. Zero is
	// contract.AdminPort.
	AdminPort uint16
	// ReadyAddress and ReadyPort are where Envoy answers GET /ready with 200
	// once it has its first configuration. Port zero: nowhere.
	ReadyAddress string
	ReadyPort    uint16
	// Drain is how the proxy is asked to let its clients go; nil: it cannot be
	// asked. It needs ReadyPort.
	Drain *Drain
	// SOTW uses the state-of-the-world protocol in place of the delta one.
	SOTW bool
}

// The names of the files. Main is the one that Envoy starts with.
const (
	Main            = "bootstrap.json"
	certificateFile = "certificate.json"
	authorityFile   = "authority.json"
)

// Files makes the files of Options.Folder, by name: equal options give equal
// bytes.
func Files(o Options) (map[string][]byte, error) {
	config, err := build(o)
	if err != nil {
		return nil, fmt.Errorf("make the Envoy bootstrap of %s/%s: %w", o.Namespace, o.Gateway, err)
	}
	messages := map[string]proto.Message{Main: config}
	for name, secret := range secrets(o) {
		if messages[name], err = response(secret); err != nil {
			return nil, fmt.Errorf("make the Envoy bootstrap of %s/%s: %s: %w", o.Namespace, o.Gateway, name, err)
		}
	}
	files := make(map[string][]byte, len(messages))
	for name, m := range messages {
		if files[name], err = encode(m); err != nil {
			return nil, fmt.Errorf("encode the Envoy bootstrap of %s/%s: %s: %w", o.Namespace, o.Gateway, name, err)
		}
	}
	return files, nil
}

func encode(m proto.Message) ([]byte, error) {
	encoded, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	// protojson varies its whitespace on purpose.
	var indented bytes.Buffer
	if err := json.Indent(&indented, encoded, "", "  "); err != nil {
		return nil, err
	}
	return append(indented.Bytes(), '\n'), nil
}

func build(o Options) (*bootstrapv3.Bootstrap, error) {
	if err := check(o); err != nil {
		return nil, err
	}
	cluster, err := controllerCluster(o)
	if err != nil {
		return nil, err
	}
	overload, err := overloadLimits()
	if err != nil {
		return nil, err
	}
	static := &bootstrapv3.Bootstrap_StaticResources{Clusters: []*clusterv3.Cluster{cluster}}
	if o.Drain != nil {
		static.Clusters = append(static.Clusters, adminCluster(o))
	}
	if o.ReadyPort != 0 {
		ready, err := readyListener(o)
		if err != nil {
			return nil, err
		}
		static.Listeners = []*listenerv3.Listener{ready}
	}
	id := contract.NodeID(o.Namespace, o.Gateway)
	config := &bootstrapv3.Bootstrap{
		Node:             &corev3.Node{Id: id, Cluster: id},
		Admin:            admin(o),
		DynamicResources: dynamicResources(o),
		StaticResources:  static,
		OverloadManager:  overload,
	}
	return config, config.Validate()
}

func check(o Options) error {
	var missing []string
	for _, required := range []struct{ what, value string }{
		{"namespace", o.Namespace},
		{"gateway", o.Gateway},
		{"controller host", o.XDSHost},
		{"CA file", o.CAFile},
		{"certificate file", o.CertificateFile},
		{"key file", o.KeyFile},
		{"folder", o.Folder},
	} {
		if required.value == "" {
			missing = append(missing, required.what)
		}
	}
	if len(missing) > 0 {
		return errors.New("missing: " + strings.Join(missing, ", "))
	}
	if o.Drain != nil {
		return o.Drain.check(o.ReadyPort)
	}
	return nil
}

func dynamicResources(o Options) *bootstrapv3.Bootstrap_DynamicResources {
	protocol := corev3.ApiConfigSource_DELTA_GRPC
	if o.SOTW {
		protocol = corev3.ApiConfigSource_GRPC
	}
	ads := &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		CdsConfig: ads,
		LdsConfig: proto.CloneOf(ads),
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:                   protocol,
			TransportApiVersion:       corev3.ApiVersion_V3,
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{
				TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
					ClusterName: xdsCluster,
					RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
						BaseInterval: durationpb.New(retryBase),
						MaxInterval:  durationpb.New(retryMax),
					}},
				}},
			}},
		},
	}
}

func controllerCluster(o Options) (*clusterv3.Cluster, error) {
	tls, err := controllerTLS(o)
	if err != nil {
		return nil, err
	}
	protocol, err := packed(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
						ConnectionKeepalive: &corev3.KeepaliveSettings{
							Interval: durationpb.New(keepaliveInterval),
							Timeout:  durationpb.New(keepaliveDeadline),
						},
					},
				},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	cluster := &clusterv3.Cluster{
		Name:            xdsCluster,
		ConnectTimeout:  durationpb.New(connectTimeout),
		TransportSocket: tls,
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol,
		},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: xdsCluster,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: address(o.XDSHost, cmp.Or(o.XDSPort, contract.XDSPort)),
				}},
			}}}},
		},
	}
	return cluster, discover(cluster, o.XDSHost)
}

func overloadLimits() (*overloadv3.OverloadManager, error) {
	config, err := packed(&connectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: maxConnections})
	if err != nil {
		return nil, err
	}
	return &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{{
		Name:       "envoy.resource_monitors.global_downstream_max_connections",
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: config},
	}}}, nil
}

func address(host string, port uint16) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}

type message interface {
	proto.Message
	Validate() error
}

func packed(m message) (*anypb.Any, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return anypb.New(m)
}
