package bootstrap

import (
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	// A question to a DNS server that is just starting is lost. By default
	// Envoy would wait 5 s for each of four answers, for each search domain.
	dnsTimeoutSeconds, dnsTries = 1, 1
	// dnsRetryBase and dnsRetryMax are between two questions for a name that
	// has no address yet.
	dnsRetryBase, dnsRetryMax = 250 * time.Millisecond, 2 * time.Second
)

// discover sets how the controller is found: by its address, or by a name of
// the cluster's DNS.
func discover(cluster *clusterv3.Cluster, host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		cluster.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		return nil
	}
	resolver, err := packed(&caresv3.CaresDnsResolverConfig{
		QueryTimeoutSeconds: wrapperspb.UInt64(dnsTimeoutSeconds),
		QueryTries:          wrapperspb.UInt32(dnsTries),
	})
	if err != nil {
		return err
	}
	dns, err := packed(&dnsv3.DnsCluster{
		DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
			BaseInterval: durationpb.New(dnsRetryBase), MaxInterval: durationpb.New(dnsRetryMax),
		},
		TypedDnsResolverConfig: &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: resolver},
	})
	if err != nil {
		return err
	}
	cluster.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{
		ClusterType: &clusterv3.Cluster_CustomClusterType{Name: "envoy.clusters.dns", TypedConfig: dns},
	}
	return nil
}
