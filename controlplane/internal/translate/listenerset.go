package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// listenerSet is a ListenerSet that names a Gateway of this controller.
type listenerSet struct {
	object  *gatewayv1.ListenerSet
	gateway *gateway
	// refused is why the Gateway takes none of its listeners.
	refused   *problem
	listeners []*listener
}

func (s *listenerSet) ref() ir.Ref {
	return ir.Ref{Group: gatewayv1.GroupName, Kind: kindListenerSet, Name: nameOf(s.object)}
}

// String names it in messages.
func (s *listenerSet) String() string { return describe(s.ref()) }

// addListenerSets gives Gateways the listeners of the ListenerSets that they
// allow: after their own, those of the oldest set first.
func (t *translation) addListenerSets(objects []*gatewayv1.ListenerSet) {
	for _, object := range byPrecedence(objects) {
		ref := &object.Spec.ParentRef
		if deref(ref.Group, gatewayv1.GroupName) != gatewayv1.GroupName || deref(ref.Kind, kindGateway) != kindGateway {
			continue
		}
		g := t.gateways[ir.Name{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(object.Namespace))), Name: string(ref.Name)}]
		if g == nil {
			continue
		}
		set := &listenerSet{object: object, gateway: g, refused: t.setRefusal(g, object.Namespace)}
		t.sets[nameOf(object)] = set
		g.sets = append(g.sets, set)
		if set.refused != nil {
			continue
		}
		for i := range object.Spec.Listeners {
			spec := gatewayv1.Listener(object.Spec.Listeners[i])
			l := t.newListener(g, set.ref(), &spec)
			l.set = set
			l.yield(g.listeners)
			set.listeners = append(set.listeners, l)
			g.listeners = append(g.listeners, l)
		}
	}
}

// setRefusal tells why a Gateway takes no ListenerSets of a namespace.
func (t *translation) setRefusal(g *gateway, namespace string) *problem {
	notAllowed := string(gatewayv1.ListenerSetReasonNotAllowed)
	from := gatewayv1.NamespacesFromNone
	var allowed *gatewayv1.ListenerNamespaces
	if g.object.Spec.AllowedListeners != nil {
		allowed = g.object.Spec.AllowedListeners.Namespaces
	}
	if allowed == nil {
		allowed = &gatewayv1.ListenerNamespaces{}
	}
	from = deref(allowed.From, from)
	allows, err := t.namespaces(from, allowed.Selector, g.name.Namespace)
	switch {
	case err != nil:
		return problemf(notAllowed, "spec.allowedListeners.namespaces.selector of Gateway %s: %v", g.name, err)
	case !allows(namespace):
		return problemf(notAllowed, "spec.allowedListeners of Gateway %s allows no ListenerSets of namespace %s", g.name, namespace)
	default:
		return nil
	}
}

// yield marks a listener of a ListenerSet as one that cannot be told apart from
// one before it, which is not affected: nobody takes from others what they have.
// What a Gateway itself names stays its own, even while two of its listeners
// exclude each other.
func (l *listener) yield(before []*listener) {
	for _, other := range before {
		isOut := other.refused != nil || other.set != nil && other.conflict != nil
		if isOut || other.port != l.port {
			continue
		}
		if p := portConflict(l, other); p != nil {
			l.conflict = problemf(p.reason, "%s has the same port %d and %s, and comes first", other.describeTo(l.set), l.port, clash(p.reason))
			return
		}
	}
	for _, other := range before {
		if !l.accepted() || !other.accepted() || other.port != l.port || !l.usesTLS() {
			continue
		}
		if covers(l.domain, other.domain) || covers(other.domain, l.domain) {
			l.overlaps, other.overlaps = true, true
		}
	}
}

// describeTo names a listener to those who see the set s, which may not see what
// other sets hold.
func (l *listener) describeTo(s *listenerSet) string {
	switch l.set {
	case nil:
		return "listener " + string(l.spec.Name) + " of Gateway " + l.gateway.name.String()
	case s:
		return "listener " + string(l.spec.Name)
	default:
		return "a listener of another ListenerSet of Gateway " + l.gateway.name.String()
	}
}

func clash(reason string) string {
	if reason == string(gatewayv1.ListenerReasonProtocolConflict) {
		return "another protocol"
	}
	return "the same hostname"
}

// isAttached tells whether the set is one of those that its Gateway counts.
func (s *listenerSet) isAttached() bool { return s.accepted().Status == ir.True }

// accepted is the condition of that name.
func (s *listenerSet) accepted() ir.Condition {
	no := s.refused
	if parent := s.gateway.problem(); no == nil && parent != nil {
		no = problemf(string(gatewayv1.ListenerSetReasonParentNotAccepted), "Gateway %s is not accepted", s.gateway.name)
	}
	condition := no.condition(conditionAccepted, reasonAccepted, "the ListenerSet is valid")
	if no != nil {
		return condition
	}
	var bad []string
	serving := 0
	for _, l := range s.listeners {
		if l.serves() {
			serving++
		}
		if !l.accepted() || l.unresolved != nil {
			bad = append(bad, string(l.spec.Name))
		}
	}
	if len(bad) > 0 || serving == 0 {
		condition.Reason = string(gatewayv1.ListenerSetReasonListenersNotValid)
		condition.Message = listenersNotValid(bad)
	}
	if serving == 0 {
		condition.Status = ir.False
	}
	return condition
}

// setsDigest changes with the ListenerSets that the Gateway allows.
func (g *gateway) setsDigest() string {
	var text []byte
	for _, s := range g.sets {
		if s.refused == nil {
			text = fmt.Appendf(text, "%s %s %d\n", nameOf(s.object), s.object.UID, s.object.Generation)
		}
	}
	if text == nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func listenersNotValid(names []string) string {
	return bounded("listeners that are not valid: " + strings.Join(names, ", "))
}

// status is the ListenerSet's status but for Programmed.
func (s *listenerSet) status() ir.ObjectStatus {
	status := ir.ObjectStatus{
		Ref: s.ref(), Generation: s.object.Generation, Gateway: &s.gateway.name,
		Conditions: []ir.Condition{s.accepted()},
	}
	for _, l := range s.listeners {
		status.Listeners = append(status.Listeners, l.status())
	}
	return status
}
