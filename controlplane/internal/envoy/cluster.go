package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	dnscommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	defaultConnectTimeout = 5 * time.Second
	// bufferLimit is what Envoy's page "Configuring Envoy as an edge proxy"
	// advises against slow readers; the default is 1 MiB a connection.
	bufferLimit = 32 * 1024
	// A name that does not resolve holds up Envoy's acknowledgement of all
	// clusters, so it must fail faster than the 20 s of the default.
	dnsQuerySeconds, dnsTries = 2, 2
	dnsRefresh                = 5 * time.Second
)

// addCluster adds the cluster and, for EDS, its endpoints.
func (b *builder) addCluster(c *ir.Cluster) {
	if c == nil {
		b.report("cluster", "", errors.New("there is none"))
		return
	}
	if _, duplicate := b.resources.Clusters[c.Name]; duplicate {
		b.report("cluster", c.Name, errors.New("another cluster has this name"))
		return
	}
	clear(b.staged)
	var endpoints *endpointv3.ClusterLoadAssignment
	cluster, err := guarded(func() (*clusterv3.Cluster, error) {
		endpoints = buildEndpoints(c)
		return b.buildCluster(c)
	})
	if err != nil {
		b.report("cluster", c.Name, err)
		return
	}
	b.commit()
	b.resources.Clusters[c.Name] = cluster
	if c.Discovery == ir.DiscoverEDS {
		b.resources.Endpoints[c.Name] = endpoints
	}
}

func (b *builder) buildCluster(c *ir.Cluster) (*clusterv3.Cluster, error) {
	if c.Passthrough && c.TLS != nil {
		return nil, errors.New("TLS that passes through must not be wrapped again")
	}
	connectTimeout := c.ConnectTimeout
	if connectTimeout == 0 {
		connectTimeout = defaultConnectTimeout
	}
	options, err := httpProtocol(c)
	if err != nil {
		return nil, err
	}
	protocol, err := packed(options)
	if err != nil {
		return nil, err
	}
	cluster := &clusterv3.Cluster{
		Name:                          c.Name,
		AltStatName:                   c.StatName,
		ConnectTimeout:                durationpb.New(connectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol,
		},
	}
	if err := setDiscovery(cluster, c); err != nil {
		return nil, err
	}
	if c.TLS != nil {
		if cluster.TransportSocket, err = b.upstreamTLS(c); err != nil {
			return nil, err
		}
	}
	if err := setConnection(cluster, c); err != nil {
		return nil, err
	}
	allowRetries(cluster)
	return cluster, cluster.Validate()
}

func setDiscovery(cluster *clusterv3.Cluster, c *ir.Cluster) error {
	if err := checkEndpoints(c); err != nil {
		return err
	}
	switch c.Discovery {
	case ir.DiscoverEDS:
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
		cluster.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{
			EdsConfig:   adsSource(),
			ServiceName: c.Name,
		}
	case ir.DiscoverStatic:
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		cluster.LoadAssignment = buildEndpoints(c)
	case ir.DiscoverDNS:
		dns, err := dnsDiscovery(c.Connection)
		if err != nil {
			return err
		}
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: dns}
		cluster.LoadAssignment = buildEndpoints(c)
	}
	return nil
}

// checkEndpoints refuses what Envoy would reject in a cluster or, worse, in a
// response with the endpoints of other clusters.
func checkEndpoints(c *ir.Cluster) error {
	for _, e := range c.Endpoints {
		if e.Port == 0 {
			return fmt.Errorf("endpoint %q has port 0", e.Host)
		}
		if c.Discovery == ir.DiscoverDNS {
			continue
		}
		if _, err := netip.ParseAddr(e.Host); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	}
	return nil
}

// dnsDiscovery makes every address that a name resolves to an endpoint.
func dnsDiscovery(connection *ir.Connection) (*clusterv3.Cluster_CustomClusterType, error) {
	resolver, err := packed(&caresv3.CaresDnsResolverConfig{
		QueryTimeoutSeconds: wrapperspb.UInt64(dnsQuerySeconds),
		QueryTries:          wrapperspb.UInt32(dnsTries),
	})
	if err != nil {
		return nil, err
	}
	dns := &dnsv3.DnsCluster{
		DnsLookupFamily:   dnscommonv3.DnsLookupFamily_V4_PREFERRED,
		RespectDnsTtl:     true,
		DnsRefreshRate:    durationpb.New(dnsRefresh),
		DnsMinRefreshRate: durationpb.New(dnsRefresh),
		TypedDnsResolverConfig: &corev3.TypedExtensionConfig{
			Name:        "envoy.network.dns_resolver.cares",
			TypedConfig: resolver,
		},
	}
	if connection != nil && connection.DNS != nil {
		setDNS(dns, connection.DNS)
	}
	config, err := packed(dns)
	if err != nil {
		return nil, err
	}
	return &clusterv3.Cluster_CustomClusterType{Name: "envoy.clusters.dns", TypedConfig: config}, nil
}

// setDNS applies a policy's settings. A refresh rate of its own holds for
// short-lived records too, unless the policy asks for their time to live.
func setDNS(dns *dnsv3.DnsCluster, settings *ir.DNS) {
	if settings.RefreshRate != nil {
		dns.DnsRefreshRate = duration(settings.RefreshRate)
		dns.RespectDnsTtl = false
	}
	if settings.RespectTTL != nil {
		dns.RespectDnsTtl = *settings.RespectTTL
	}
	dns.DnsJitter = duration(settings.Jitter)
}
