package translate

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// checkInvariants checks what must hold of every result, whatever went in.
func checkInvariants(tb testing.TB, s *snapshot.Snapshot, result *ir.Result) {
	tb.Helper()
	for _, g := range result.Gateways {
		clusters := checkClusters(tb, s, g)
		checkBuildable(tb, g)
		checkListeners(tb, g, clusters)
		if _, err := envoy.Build(g, envoy.Options{}); err != nil {
			tb.Errorf("Gateway %s: Envoy would not take all of it: %v", g.Name, err)
		}
		checkSecrecy(tb, s, g)
	}
	checkStatuses(tb, result.Statuses)
}

// checkClusters gives the clusters by name, and whether requests may go there.
func checkClusters(tb testing.TB, s *snapshot.Snapshot, g *ir.Gateway) map[string]bool {
	tb.Helper()
	secrets, clusters := map[string]bool{}, map[string]bool{}
	for _, secret := range g.Secrets {
		if secrets[secret.Name] {
			tb.Errorf("secret %s occurs twice", secret.Name)
		}
		secrets[secret.Name] = true
		if (len(secret.Key) > 0) != (secret.Kind == ir.SecretKeyPair) || len(secret.Certificates) == 0 {
			tb.Errorf("secret %s does not hold what its kind says", secret.Name)
		}
	}
	for _, c := range g.Clusters {
		if _, twice := clusters[c.Name]; twice || c.Name == contract.InvalidCluster {
			tb.Errorf("cluster %s must not occur, or not twice", c.Name)
		}
		clusters[c.Name] = !c.Passthrough
		renamed := *c
		if renamed.SetName(); renamed.Name != c.Name {
			tb.Errorf("cluster %s was changed after it got its name", c.Name)
		}
		if c.Passthrough && c.TLS == nil {
			continue // checkConnect sees what is sent there.
		}
		if c.TLS == nil {
			if policy := tlsPolicyOn(s, c); policy != "" {
				tb.Errorf("cluster %s has no TLS, but %s targets it", c.Name, policy)
			}
			continue
		}
		checkTLS(tb, c, secrets)
	}
	return clusters
}

func checkTLS(tb testing.TB, c *ir.Cluster, secrets map[string]bool) {
	tb.Helper()
	trusts := 0
	for _, isSet := range []bool{c.TLS.TrustBundle != "", c.TLS.TrustFile != "", c.TLS.InsecureSkipVerify} {
		if isSet {
			trusts++
		}
	}
	if trusts != 1 {
		tb.Errorf("cluster %s has %d sources of trust", c.Name, trusts)
	}
	for _, name := range []string{c.TLS.TrustBundle, c.TLS.ClientCertificate} {
		if name != "" && !secrets[name] {
			tb.Errorf("cluster %s names secret %s, which is not sent", c.Name, name)
		}
	}
	if c.TLS.SNI != "" && len(c.TLS.SANs) == 0 && !c.TLS.InsecureSkipVerify {
		tb.Errorf("cluster %s sends an SNI and does not verify it", c.Name)
	}
}

// tlsPolicyOn looks for a policy that asks for TLS to a cluster's backend, by
// a way of its own.
func tlsPolicyOn(s *snapshot.Snapshot, c *ir.Cluster) string {
	target := c.Origin[0]
	labels, port := backendOf(s, c)
	for _, p := range s.BackendTLSPolicies {
		for _, ref := range p.Spec.TargetRefs {
			named, section := tlsPolicyTarget(p.Namespace, ref)
			if named == target && (section == "" || section == port || target.Kind == kindBackend) {
				return "BackendTLSPolicy " + nameOf(p).String()
			}
		}
	}
	for _, p := range s.BackendConfigPolicies {
		if p.Spec.TLS == nil || p.Namespace != target.Namespace {
			continue
		}
		if slices.ContainsFunc(p.Spec.TargetRefs, func(ref v1alpha1.TargetRef) bool { return configPolicyTarget(p.Namespace, ref) == target }) ||
			slices.ContainsFunc(p.Spec.TargetSelectors, func(selector v1alpha1.TargetSelector) bool {
				return string(selector.Kind) == target.Kind && string(selector.Group) == target.Group && hasLabels(labels, selector.MatchLabels)
			}) {
			return "BackendConfigPolicy " + nameOf(p).String()
		}
	}
	return ""
}

// backendOf gives the labels of a cluster's backend and the name of its port.
func backendOf(s *snapshot.Snapshot, c *ir.Cluster) (labels map[string]string, port string) {
	target := c.Origin[0]
	for _, b := range s.Backends {
		if target == backendRef(nameOf(b)) {
			return b.Labels, ""
		}
	}
	for _, service := range s.Services {
		if target != serviceRef(nameOf(service)) {
			continue
		}
		for _, p := range service.Spec.Ports {
			isTCP := p.Protocol == "" || p.Protocol == "TCP"
			if isTCP && contract.ServiceStatName(service.Namespace, service.Name, p.Port) == c.StatName {
				return service.Labels, p.Name
			}
		}
	}
	return nil, ""
}

func hasLabels(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

func checkListeners(tb testing.TB, g *ir.Gateway, clusters map[string]bool) {
	tb.Helper()
	ports, tables := map[uint16]bool{}, map[string]bool{}
	for _, l := range g.Listeners {
		if ports[l.Port] || len(l.Chains) == 0 {
			tb.Errorf("listener %s: its port is taken, or it has no chain", l.Name)
		}
		ports[l.Port] = true
		names := map[string]bool{}
		for _, chain := range l.Chains {
			serverNames := strings.Join(chain.ServerNames, ",")
			if names[serverNames] {
				tb.Errorf("listener %s has two chains for %q", l.Name, serverNames)
			}
			names[serverNames] = true
			if chain.Forward != nil {
				checkConnect(tb, g, &chain)
				continue
			}
			if tables[chain.Routes.Name] {
				tb.Errorf("route table %s occurs twice", chain.Routes.Name)
			}
			tables[chain.Routes.Name] = true
			checkVirtualHosts(tb, chain.Routes, clusters)
		}
	}
}

func checkVirtualHosts(tb testing.TB, table ir.RouteConfig, clusters map[string]bool) {
	tb.Helper()
	domains := map[string]bool{}
	for _, host := range table.VirtualHosts {
		if domains[host.Domain] {
			tb.Errorf("table %s has domain %s twice", table.Name, host.Domain)
		}
		domains[host.Domain] = true
		for _, route := range host.Routes {
			checkRoute(tb, route, clusters)
		}
	}
}

func checkRoute(tb testing.TB, route *ir.Route, clusters map[string]bool) {
	tb.Helper()
	actions := 0
	for _, isSet := range []bool{route.Redirect != nil, route.Forward != nil, route.Status != 0} {
		if isSet {
			actions++
		}
	}
	if actions != 1 {
		tb.Errorf("route %s must have one of Redirect, Forward and Status", route.Name)
	}
	if route.Forward == nil {
		if route.CORS != nil {
			tb.Errorf("route %s cannot answer for other origins", route.Name)
		}
		return
	}
	total := uint32(0)
	for _, share := range route.Forward.Clusters {
		total += share.Weight
		if share.Cluster != contract.InvalidCluster && !clusters[share.Cluster] {
			tb.Errorf("route %s leads to cluster %s, which is not sent", route.Name, share.Cluster)
		}
	}
	if total == 0 {
		tb.Errorf("route %s has no weight", route.Name)
	}
	for _, mirror := range route.Forward.Mirrors {
		if !clusters[mirror.Cluster] || mirror.Denominator == 0 || mirror.Numerator > mirror.Denominator {
			tb.Errorf("route %s mirrors to cluster %s, which is not sent, or a wrong share", route.Name, mirror.Cluster)
		}
	}
}

func checkStatuses(tb testing.TB, statuses []ir.ObjectStatus) {
	tb.Helper()
	if !slices.IsSortedFunc(statuses, func(a, b ir.ObjectStatus) int { return compareRefs(a.Ref, b.Ref) }) {
		tb.Error("statuses are not sorted")
	}
	for _, status := range statuses {
		checkConditions(tb, status.Ref, status.Conditions)
		for _, l := range status.Listeners {
			checkConditions(tb, status.Ref, l.Conditions)
		}
		for _, p := range status.Parents {
			checkConditions(tb, status.Ref, p.Conditions)
		}
		for _, a := range status.Ancestors {
			checkConditions(tb, status.Ref, a.Conditions)
		}
		isPolicy := status.Group == gatewayv1.GroupName && status.Kind == kindBackendTLSPolicy || status.Kind == kindBackendConfigPolicy
		if n := len(status.Ancestors); isPolicy && n == 0 || n > maxAncestors {
			tb.Errorf("%s has %d ancestors", describe(status.Ref), n)
		}
	}
}

// checkConditions holds conditions to the schema of metav1.Condition.
func checkConditions(tb testing.TB, ref ir.Ref, conditions []ir.Condition) {
	tb.Helper()
	reason := regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)
	seen := map[string]bool{}
	for _, c := range conditions {
		if seen[c.Type] {
			tb.Errorf("%s has condition %s twice", describe(ref), c.Type)
		}
		seen[c.Type] = true
		if !reason.MatchString(c.Reason) || c.Message == "" || len(c.Message) > maxMessage {
			tb.Errorf("%s: condition %s has reason %q and a message of %d bytes", describe(ref), c.Type, c.Reason, len(c.Message))
		}
	}
}
