package translate

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// checkSecrecy checks, by ways of its own, that a Gateway's proxies get no
// Secret that nobody let them have, and that nobody is let in, and no backend
// reached, without the certificates that the Gateway asks for.
func checkSecrecy(tb testing.TB, s *snapshot.Snapshot, g *ir.Gateway) {
	tb.Helper()
	object := gatewayOf(s, g.Name)
	sets := setsOf(s, object)
	for _, secret := range g.Secrets {
		kind, rest, _ := strings.Cut(secret.Name, "/")
		namespace, name, _ := strings.Cut(rest, "/")
		if kind == "keypair" && !mayHaveKeyPair(s, object, sets, ir.Name{Namespace: namespace, Name: name}) {
			tb.Errorf("Gateway %s gets the key of Secret %s/%s", g.Name, namespace, name)
		}
		if kind != "trust" {
			continue
		}
		for part := range strings.SplitSeq(name, "+") {
			fields := strings.Split(part, "/")
			if len(fields) != 3 {
				continue // It is of the namespace of the policy or Gateway that names it.
			}
			kind := map[string]string{"configmap": kindConfigMap, "secret": kindSecret}[fields[0]]
			if !hasGrant(s, kindGateway, g.Name.Namespace, kind, ir.Name{Namespace: fields[1], Name: fields[2]}) {
				tb.Errorf("Gateway %s gets the CA certificates of %s", g.Name, part)
			}
		}
	}
	checkClients(tb, object, g)
	checkOwners(tb, s, object, sets, g)
	if object.Spec.TLS == nil || object.Spec.TLS.Backend == nil || object.Spec.TLS.Backend.ClientCertificateRef == nil {
		return
	}
	for _, c := range g.Clusters {
		if c.TLS == nil {
			continue
		}
		if presents := c.TLS.ClientCertificate != "" || c.TLS.ClientCertFile != ""; presents == isSimple(s, c) {
			tb.Errorf("Gateway %s reaches %s with a client certificate: %v", g.Name, c.Name, presents)
		}
	}
}

// isSimple tells whether the policy that decides about a cluster's TLS wants no
// client certificate.
func isSimple(s *snapshot.Snapshot, c *ir.Cluster) bool {
	for _, p := range s.BackendConfigPolicies {
		if configPolicyRef(p) == c.Origin[1] {
			return isTrue(p.Spec.TLS.SimpleTLS)
		}
	}
	return false
}

func gatewayOf(s *snapshot.Snapshot, name ir.Name) *gatewayv1.Gateway {
	for _, object := range s.Gateways {
		if nameOf(object) == name {
			return object
		}
	}
	return nil
}

// setsOf are the ListenerSets that name a Gateway as their parent and that it
// allows.
func setsOf(s *snapshot.Snapshot, g *gatewayv1.Gateway) []*gatewayv1.ListenerSet {
	var sets []*gatewayv1.ListenerSet
	for _, set := range s.ListenerSets {
		namespace := set.Namespace
		if set.Spec.ParentRef.Namespace != nil {
			namespace = string(*set.Spec.ParentRef.Namespace)
		}
		if namespace == g.Namespace && string(set.Spec.ParentRef.Name) == g.Name && letsIn(s, g, set.Namespace) {
			sets = append(sets, set)
		}
	}
	return sets
}

// letsIn tells whether a Gateway may have listeners from a namespace.
func letsIn(s *snapshot.Snapshot, g *gatewayv1.Gateway, namespace string) bool {
	if g.Spec.AllowedListeners == nil || g.Spec.AllowedListeners.Namespaces == nil || g.Spec.AllowedListeners.Namespaces.From == nil {
		return false
	}
	switch *g.Spec.AllowedListeners.Namespaces.From {
	case gatewayv1.NamespacesFromAll:
		return true
	case gatewayv1.NamespacesFromSame:
		return namespace == g.Namespace
	case gatewayv1.NamespacesFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(g.Spec.AllowedListeners.Namespaces.Selector)
		return err == nil && slices.ContainsFunc(s.Namespaces, func(n *corev1.Namespace) bool {
			all := labels.Set{corev1.LabelMetadataName: n.Name}
			return n.Name == namespace && selector.Matches(labels.Merge(all, n.Labels))
		})
	case gatewayv1.NamespacesFromNone:
	}
	return false
}

func mayHaveKeyPair(s *snapshot.Snapshot, g *gatewayv1.Gateway, sets []*gatewayv1.ListenerSet, secret ir.Name) bool {
	if secret.Namespace == g.Namespace || hasGrant(s, kindGateway, g.Namespace, kindSecret, secret) {
		return true
	}
	for _, set := range sets {
		if secret.Namespace == set.Namespace || hasGrant(s, "ListenerSet", set.Namespace, kindSecret, secret) {
			return true
		}
	}
	return slices.ContainsFunc(s.BackendConfigPolicies, func(p *v1alpha1.BackendConfigPolicy) bool {
		return p.Namespace == secret.Namespace && p.Spec.TLS != nil && p.Spec.TLS.SecretRef != nil
	})
}

func hasGrant(s *snapshot.Snapshot, fromKind, fromNamespace, toKind string, to ir.Name) bool {
	return slices.ContainsFunc(s.ReferenceGrants, func(grant *gatewayv1.ReferenceGrant) bool {
		return grant.Namespace == to.Namespace &&
			slices.ContainsFunc(grant.Spec.From, func(f gatewayv1.ReferenceGrantFrom) bool {
				return f.Group == gatewayv1.GroupName && string(f.Kind) == fromKind && string(f.Namespace) == fromNamespace
			}) &&
			slices.ContainsFunc(grant.Spec.To, func(t gatewayv1.ReferenceGrantTo) bool {
				return t.Group == "" && string(t.Kind) == toKind && (t.Name == nil || *t.Name == "" || string(*t.Name) == to.Name)
			})
	})
}

// checkClients checks that HTTPS chains ask clients for certificates where the
// Gateway wants it, and that what a chain names is sent.
func checkClients(tb testing.TB, object *gatewayv1.Gateway, g *ir.Gateway) {
	tb.Helper()
	sent := map[string]ir.SecretKind{}
	for _, secret := range g.Secrets {
		sent[secret.Name] = secret.Kind
	}
	for _, l := range g.Listeners {
		for _, chain := range l.Chains {
			if chain.TLS == nil {
				continue
			}
			for _, name := range chain.TLS.Certificates {
				if kind, ok := sent[name]; !ok || kind != ir.SecretKeyPair {
					tb.Errorf("chain %s has certificate %s, which is not sent", chain.Name, name)
				}
			}
			clients := chain.TLS.Clients
			if clients == nil {
				if chain.Forward == nil && verifies(object, l.Port) {
					tb.Errorf("chain %s lets everybody in", chain.Name)
				}
				continue
			}
			if kind, ok := sent[clients.TrustBundle]; !ok || kind != ir.SecretTrustBundle {
				tb.Errorf("chain %s verifies clients by %s, which is not sent", chain.Name, clients.TrustBundle)
			}
			if clients.InsecureFallback && !letsAnybodyIn(object) {
				tb.Errorf("chain %s does not insist on certificates", chain.Name)
			}
		}
	}
}

func verifies(object *gatewayv1.Gateway, port uint16) bool {
	if object.Spec.TLS == nil || object.Spec.TLS.Frontend == nil {
		return false
	}
	for _, own := range object.Spec.TLS.Frontend.PerPort {
		if own.Port == int32(port) {
			return own.TLS.Validation != nil
		}
	}
	return object.Spec.TLS.Frontend.Default.Validation != nil
}

// checkOwners checks that who has a listener may have the certificates that its
// chain shows: a grant to the Gateway is none to a ListenerSet, nor the other way
// round.
func checkOwners(tb testing.TB, s *snapshot.Snapshot, object *gatewayv1.Gateway, sets []*gatewayv1.ListenerSet, g *ir.Gateway) {
	tb.Helper()
	for _, l := range g.Listeners {
		for _, chain := range l.Chains {
			if chain.TLS == nil || chain.Forward != nil {
				continue
			}
			for _, certificate := range chain.TLS.Certificates {
				namespace, name, _ := strings.Cut(strings.TrimPrefix(certificate, "keypair/"), "/")
				secret := ir.Name{Namespace: namespace, Name: name}
				may := ownerMay(s, kindGateway, object.Namespace, object.Spec.Listeners, l.Port, chain.ServerNames, secret)
				for _, set := range sets {
					var listeners []gatewayv1.Listener
					for _, entry := range set.Spec.Listeners {
						listeners = append(listeners, gatewayv1.Listener(entry))
					}
					may = may || ownerMay(s, kindListenerSet, set.Namespace, listeners, l.Port, chain.ServerNames, secret)
				}
				if !may {
					tb.Errorf("chain %s of Gateway %s shows %s, which who has the listener may not use", chain.Name, g.Name, secret)
				}
			}
		}
	}
}

// ownerMay tells whether one of the listeners has the port and the hostname and
// may use the Secret that it names.
func ownerMay(s *snapshot.Snapshot, kind, namespace string, listeners []gatewayv1.Listener, port uint16, names []string, secret ir.Name) bool {
	return slices.ContainsFunc(listeners, func(l gatewayv1.Listener) bool {
		host := ""
		if l.Hostname != nil {
			host = strings.ToLower(string(*l.Hostname))
		}
		if int32(l.Port) != int32(port) || l.TLS == nil || host != strings.Join(names, " ") {
			return false
		}
		named := slices.ContainsFunc(l.TLS.CertificateRefs, func(ref gatewayv1.SecretObjectReference) bool {
			in := namespace
			if ref.Namespace != nil {
				in = string(*ref.Namespace)
			}
			return in == secret.Namespace && string(ref.Name) == secret.Name
		})
		return named && (secret.Namespace == namespace || hasGrant(s, kind, namespace, kindSecret, secret))
	})
}
