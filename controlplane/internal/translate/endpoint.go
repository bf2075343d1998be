package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// serviceEndpoints are the endpoints of a Service's port, sorted, and how
// Envoy learns them: by EDS, or by DNS where a slice holds names.
//
// Endpoints that are ready count. Where none is, those that still serve while
// they terminate do, as kube-proxy has it (KEP-1669).
func serviceEndpoints(slicesOf []*discoveryv1.EndpointSlice, port *corev1.ServicePort, allowLoopback bool) (ir.Discovery, []ir.Endpoint) {
	discovery := ir.DiscoverEDS
	var ready, draining []ir.Endpoint
	for _, slice := range slicesOf {
		number, ok := slicePort(slice, port)
		if !ok {
			continue
		}
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			discovery = ir.DiscoverDNS
		}
		for i := range slice.Endpoints {
			isReady, isDraining := endpointState(&slice.Endpoints[i].Conditions)
			zone := deref(slice.Endpoints[i].Zone, "")
			for _, host := range usableAddresses(slice, &slice.Endpoints[i], allowLoopback) {
				switch {
				case isReady:
					ready = append(ready, ir.Endpoint{Host: host, Port: number, Zone: zone})
				case isDraining:
					draining = append(draining, ir.Endpoint{Host: host, Port: number, Draining: true, Zone: zone})
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = draining
	}
	return discovery, sortedEndpoints(ready)
}

func sortedEndpoints(endpoints []ir.Endpoint) []ir.Endpoint {
	place := func(a, b ir.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port))
	}
	slices.SortFunc(endpoints, func(a, b ir.Endpoint) int { return cmp.Or(place(a, b), cmp.Compare(a.Zone, b.Zone)) })
	return slices.CompactFunc(endpoints, func(a, b ir.Endpoint) bool { return place(a, b) == 0 && a.Draining == b.Draining })
}

// slicePort is the number that the Service's port has in this slice. Slices
// name their ports as the Service does, which is how named target ports, that
// may differ from pod to pod, are resolved.
func slicePort(slice *discoveryv1.EndpointSlice, port *corev1.ServicePort) (uint16, bool) {
	for _, p := range slice.Ports {
		if p.Name != nil && *p.Name != port.Name || p.Name == nil && port.Name != "" {
			continue
		}
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			continue
		}
		if p.Port == nil {
			return portNumber(port.Port)
		}
		return portNumber(*p.Port)
	}
	return 0, false
}

func portNumber(port int32) (uint16, bool) {
	if port < 1 || port > 65535 {
		return 0, false
	}
	return uint16(port), true
}

// endpointState reads conditions as the EndpointSlice API has it: absent ready
// means ready, absent serving means the same as ready.
func endpointState(c *discoveryv1.EndpointConditions) (ready, draining bool) {
	ready = c.Ready == nil || *c.Ready
	serving := ready
	if c.Serving != nil {
		serving = *c.Serving
	}
	terminating := c.Terminating != nil && *c.Terminating
	return ready, !ready && serving && terminating
}

func usableAddresses(slice *discoveryv1.EndpointSlice, endpoint *discoveryv1.Endpoint, allowLoopback bool) []string {
	var usable []string
	for _, address := range endpoint.Addresses {
		host, err := backendHost(address, allowLoopback)
		if err != "" || host.isDNS != (slice.AddressType == discoveryv1.AddressTypeFQDN) {
			continue
		}
		usable = append(usable, host.name)
	}
	return usable
}

// host is a checked host of a backend.
type host struct {
	name  string
	isDNS bool
}

// backendHost checks an address or name that Envoy is to connect to. The
// reason of a refusal is a phrase that goes after the host.
//
// Addresses that lead back into the proxy's own host are refused: whoever may
// write a Backend would reach Envoy's admin interface through them.
func backendHost(text string, allowLoopback bool) (host, string) {
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		address = address.Unmap()
		switch {
		case address.Zone() != "":
			return host{}, "has a zone, which Envoy does not take"
		case !allowLoopback && !reachable(address):
			return host{}, "is a loopback, link-local, multicast or unspecified address, which would lead into the proxy itself"
		}
		return host{name: address.String()}, ""
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	switch {
	case !validDNSName(name):
		return host{}, "is neither an IP address nor a DNS name"
	case endsInNumber(name):
		return host{}, "ends in a number, so that some resolvers read it as an IP address: write the address in full"
	case !allowLoopback && isLocalName(name):
		return host{}, "is a name of the local host (RFC 6761), which would lead into the proxy itself"
	}
	return host{name: name, isDNS: true}, ""
}

// isAddress tells an address from a name.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func reachable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified()
}

// endsInNumber tells names that inet_aton reads as addresses ("127.1",
// "0x7f000001") from DNS names, by the rule of the URL Standard.
func endsInNumber(name string) bool {
	last := name[strings.LastIndex(name, ".")+1:]
	const digits = "0123456789"
	hex, isHex := strings.CutPrefix(last, "0x")
	return strings.Trim(last, digits) == "" || isHex && strings.Trim(hex, digits+"abcdef") == ""
}

// isLocalName knows the names of RFC 6761 and those that the kubelet writes
// into the hosts file of every pod.
func isLocalName(name string) bool {
	switch name {
	case "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-allnodes", "ip6-allrouters":
		return true
	}
	return strings.HasSuffix(name, ".localhost")
}
