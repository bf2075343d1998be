package translate

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// backend is one port of a Service, or a Backend, as routes reach it.
type backend struct {
	target ir.Ref
	// portName is what a policy's sectionName names; empty for a Backend.
	portName string
	// appProtocol is what it says that it speaks; empty says nothing.
	appProtocol string
	reach       reach
	// cluster is nil where the backend, or the policy that decides about its
	// TLS, is not valid.
	cluster *ir.Cluster
	// secrets are those that the cluster names.
	secrets []*ir.Secret
	// problem is why there is no cluster.
	problem *problem
	// isNowhere says that the Service has no such port, so that no policy has a
	// say in it.
	isNowhere bool
}

// secure gives the cluster the TLS that policies ask for and its final name.
// Where the policy is not valid, there is no cluster.
func (t *translation) secure(b *backend, cluster *ir.Cluster) {
	cluster.Origin = []ir.Ref{b.target}
	var decided backendTLS
	if b.reach != reachThrough {
		decided = t.backendTLS(b.target, b.portName)
	} else if policy := t.backendTLS(b.target, b.portName).policy; policy.Kind == kindBackendConfigPolicy {
		t.note(policy.Name, b.target, fmt.Sprintf("spec.tls: %s%s: %s", describe(b.target), portSuffix(b), notePassed))
	}
	if decided.settings != nil {
		if decided.settings.tls == nil {
			b.problem = problemf(reasonInvalidBackendPolicy, "%s: %s is not valid: %s",
				describe(b.target), describe(decided.policy), decided.settings.accepted.message)
			return
		}
		if p := b.reach.fits(decided.settings.tls, cluster); p != nil {
			b.problem = problemf(p.reason, "%s: %s: %s", describe(b.target), describe(decided.policy), p.message)
			t.remark(decided.policy, b, "alpnProtocols", p.message+": requests get 500")
			return
		}
		cluster.TLS = fitTLS(decided.settings.tls, cluster)
		t.remarkNames(decided.policy, b, cluster)
		cluster.Origin = append(cluster.Origin, decided.policy)
		b.secrets = decided.settings.secrets
	}
	t.connect(b, cluster)
	cluster.Origin = withOrigins(cluster.Origin, t.connection(b.target).policies)
	cluster.SetName()
	b.cluster = cluster
}

// remark notes on a BackendConfigPolicy, whose status has room for it, what a
// field of its tls comes to for a backend.
func (t *translation) remark(policy ir.Ref, b *backend, field, text string) {
	if policy.Kind == kindBackendConfigPolicy {
		t.note(policy.Name, b.target, fmt.Sprintf("spec.tls.%s: %s%s: %s", field, describe(b.target), portSuffix(b), text))
	}
}

// remarkNames tells which endpoints cannot be verified, and which requests may
// find the wrong protocol.
func (t *translation) remarkNames(policy ir.Ref, b *backend, cluster *ir.Cluster) {
	tls := cluster.TLS
	if tls.AutoSNI && len(tls.SANs) == 0 && !tls.InsecureSkipVerify {
		addresses := slices.DeleteFunc(slices.Clone(cluster.Endpoints), func(e ir.Endpoint) bool { return !isAddress(e.Host) })
		if len(addresses) > 0 {
			t.remark(policy, b, "sni", fmt.Sprintf("without it and verifySubjectAltNames endpoints are verified by their own DNS names: "+
				"%d that are addresses, as %s, have none and are not reached", len(addresses), addresses[0].Host))
		}
	}
	if _, http2 := cluster.Protocols(); http2 && b.reach == reachHTTP && speaksOnlyHTTP1(b.appProtocol) {
		t.remark(policy, b, "alpnProtocols", fmt.Sprintf("its appProtocol is %s, which over h2 works only where the backend knows RFC 8441: offer http/1.1 alone", b.appProtocol))
	}
}

// fitTLS adapts a policy's settings to the cluster: the endpoints' own names
// where the policy names no server, and the protocol that is spoken.
func fitTLS(settings *ir.UpstreamTLS, cluster *ir.Cluster) *ir.UpstreamTLS {
	tls := *settings
	if tls.SNI == "" && cluster.Discovery == ir.DiscoverDNS {
		setOwnNames(&tls, cluster.Endpoints)
	}
	switch {
	case cluster.HTTP2 && len(tls.ALPN) == 0:
		tls.ALPN = []string{"h2"}
	case slices.Equal(tls.ALPN, []string{"h2"}):
		// The backend will be told that nothing but HTTP/2 is coming.
		cluster.HTTP2 = true
	}
	return &tls
}

// setOwnNames has each endpoint addressed by its own DNS name. Names that the
// policy asks for are verified in its place; where all endpoints have one
// name, that is the SNI.
func setOwnNames(tls *ir.UpstreamTLS, endpoints []ir.Endpoint) {
	sameName := !slices.ContainsFunc(endpoints, func(e ir.Endpoint) bool { return e.Host != endpoints[0].Host })
	if len(tls.SANs) > 0 && sameName && len(endpoints) > 0 {
		tls.SNI = endpoints[0].Host
		return
	}
	tls.AutoSNI = true
}

// staticBackend translates a Backend, once for each way to reach it.
func (t *translation) staticBackend(object *v1alpha1.Backend, how reach) *backend {
	key := backendKey{ref: backendRef(nameOf(object)), reach: how}
	if known, ok := t.backends[key]; ok {
		return known
	}
	b := &backend{target: key.ref, reach: how, appProtocol: appProtocolOf(object)}
	t.backends[key] = b
	cluster, problem := t.staticCluster(object)
	if problem != nil {
		b.problem = problemf(reasonInvalidBackend, "%s: %s", describe(b.target), problem.message)
		return b
	}
	if p := how.speak(cluster, b.appProtocol); p != nil {
		b.problem = problemf(p.reason, "%s: %s", describe(b.target), p.message)
		return b
	}
	t.secure(b, cluster)
	return b
}

// appProtocolOf is what a Backend says that it speaks.
func appProtocolOf(object *v1alpha1.Backend) string {
	if object.Spec.Static == nil {
		return ""
	}
	return string(deref(object.Spec.Static.AppProtocol, ""))
}

// staticCluster checks a Backend and makes its cluster, still without TLS and
// protocol.
func (t *translation) staticCluster(object *v1alpha1.Backend) (*ir.Cluster, *problem) {
	spec := &object.Spec
	if spec.Type != "" && spec.Type != v1alpha1.BackendTypeStatic {
		return nil, problemf(v1alpha1.BackendReasonInvalid, "spec.type: %s is not supported: use Static", spec.Type)
	}
	if spec.Static == nil || len(spec.Static.Hosts) == 0 {
		return nil, problemf(v1alpha1.BackendReasonInvalid, "spec.static.hosts: at least one host is required")
	}
	if protocol := deref(spec.Static.AppProtocol, ""); !knownProtocol(protocol) {
		return nil, problemf(v1alpha1.BackendReasonInvalid, "spec.static.appProtocol: %q is unknown: use http2, grpc, grpc-web, kubernetes.io/h2c or kubernetes.io/ws", protocol)
	}
	cluster := &ir.Cluster{
		StatName:  contract.BackendStatName(object.Namespace, object.Name),
		Discovery: ir.DiscoverStatic,
	}
	var problems []*problem
	for i, h := range spec.Static.Hosts {
		checked, refusal := backendHost(strings.TrimSpace(h.Host), t.options.AllowLoopback)
		port, portOK := portNumber(h.Port)
		switch {
		case refusal != "":
			problems = append(problems, problemf(v1alpha1.BackendReasonInvalid, "spec.static.hosts[%d]: host %q %s", i, h.Host, refusal))
			continue
		case !portOK:
			problems = append(problems, problemf(v1alpha1.BackendReasonInvalid, "spec.static.hosts[%d]: port %d is not between 1 and 65535", i, h.Port))
			continue
		}
		if checked.isDNS {
			cluster.Discovery = ir.DiscoverDNS
		}
		cluster.Endpoints = append(cluster.Endpoints, ir.Endpoint{Host: checked.name, Port: port})
	}
	cluster.Endpoints = sortedEndpoints(cluster.Endpoints)
	return cluster, joinProblems(problems)
}

// knownProtocol tells whether a Backend may have an application protocol; none
// is HTTP/1.1.
func knownProtocol(protocol v1alpha1.AppProtocol) bool {
	switch protocol {
	case "", v1alpha1.AppProtocolHTTP2, v1alpha1.AppProtocolGRPC, v1alpha1.AppProtocolGRPCWeb,
		v1alpha1.AppProtocolKubernetesH2, v1alpha1.AppProtocolKubernetesWS:
		return true
	}
	return false
}

// backendStatuses are the statuses of all Backends, whether used or not.
func (t *translation) backendStatuses() []ir.ObjectStatus {
	statuses := make([]ir.ObjectStatus, 0, len(t.objects.backends))
	for name, object := range t.objects.backends {
		_, problem := t.staticCluster(object)
		accepted := problem.condition(v1alpha1.BackendConditionAccepted, v1alpha1.BackendReasonAccepted, "the Backend is valid")
		statuses = append(statuses, ir.ObjectStatus{
			Ref:        backendRef(name),
			Generation: object.Generation,
			Conditions: []ir.Condition{accepted},
		})
	}
	return statuses
}

// backendProblemNotFound says that a referenced backend does not exist.
func backendProblemNotFound(ref ir.Ref) *problem {
	return problemf(string(gatewayv1.RouteReasonBackendNotFound), "%s does not exist", describe(ref))
}
