package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Live is what is known of the proxies of one Gateway.
type Live struct {
	// Connected counts the proxies that listen to the controller.
	Connected int
	// Acknowledged: the configuration of the Gateway's present generation has
	// been sent to the connected proxies and all have answered it.
	Acknowledged bool
	// SetsAcknowledged is the same of the Gateway's ListenerSets.
	SetsAcknowledged bool
	// Settling: the controller has just started, so that proxies may not have
	// come back yet. What the status says of them is left standing.
	Settling bool
	// Held says why the configuration has not been sent yet; empty when it has.
	Held string
	// Undeployed says why the proxies are not deployed as they should be; empty
	// when they are.
	Undeployed string
	// Rejections are what Envoy does not accept, sorted.
	Rejections []Rejection
}

// Part is the part of a Gateway's configuration that a Rejection is about.
type Part uint8

// The parts. Endpoints have their cluster's name and count as PartCluster.
const (
	PartUnknown Part = iota
	PartCluster
	PartSecret
	PartListener
	// PartRouteConfig names an ir.RouteConfig, PartRoute an ir.Route.
	PartRouteConfig
	PartRoute
)

// Rejection is one part that Envoy refused, or that was left out because
// Envoy would refuse it.
type Rejection struct {
	Part Part
	// Name of the resource; empty where Envoy did not tell.
	Name string
	// Message is for a person; what is too long is cut.
	Message string
}

// Object is the complete status of one object.
type Object struct {
	ir.ObjectStatus
	// Addresses of a Gateway: IP addresses and host names.
	Addresses []string
	// KeepRefused leaves an Accepted=False that quotes Envoy as it stands for the
	// same generation: the proxies have not yet said it anew.
	KeepRefused bool
	// KeepProgrammed leaves a Programmed condition of the same generation as
	// it stands.
	KeepProgrammed bool
	// uid is that of the object that was translated; a Writer fills it in.
	uid types.UID
}

// Rejected begins the message of what Envoy has refused.
const Rejected = "Envoy rejected: "

// maxMessage bounds what is quoted of Envoy: messages can repeat a whole
// configuration.
const maxMessage = 1024

// Complete adds to a translation's statuses what the proxies have answered:
// Programmed on Gateways, ListenerSets and their listeners, and Accepted=False
// on every object that is to blame for a rejection. address is where all Gateways are
// reached whose proxies the controller does not deploy; it may be empty. It
// changes nothing in r.
func Complete(r *ir.Result, live map[ir.Name]Live, address string) []Object {
	blamed := blame(r, live)
	gateways := make(map[ir.Name]*ir.Gateway, len(r.Gateways))
	for _, g := range r.Gateways {
		gateways[g.Name] = g
	}
	deployments := make(map[ir.Name]*ir.Deployment, len(r.Deployments))
	for _, d := range r.Deployments {
		deployments[d.Gateway] = d
	}
	unsure := anyUnsure(live)
	parents := parentsOf(r)
	objects := make([]Object, 0, len(r.Statuses))
	for _, s := range r.Statuses {
		object := Object{ObjectStatus: s, KeepRefused: unsure}
		switch {
		case s.Kind == gatewayKind && s.Group == gatewayv1.GroupName:
			object = gateway(s, gateways[s.Name], live[s.Name], deployments[s.Name])
			if deployments[s.Name] == nil && address != "" {
				object.Addresses = []string{address}
			}
		case s.Kind == listenerSetKind && s.Gateway != nil:
			object = listenerSet(s, gateways[*s.Gateway], live[*s.Gateway], deployments[*s.Gateway])
		case len(blamed[s.Ref]) > 0:
			object.ObjectStatus = withBlame(s, blamed[s.Ref], parents)
		}
		objects = append(objects, object)
	}
	return objects
}

// parentsOf are the Gateways of the ListenerSets.
func parentsOf(r *ir.Result) map[ir.Name]ir.Name {
	parents := map[ir.Name]ir.Name{}
	for _, s := range r.Statuses {
		if s.Kind == listenerSetKind && s.Gateway != nil {
			parents[s.Name] = *s.Gateway
		}
	}
	return parents
}

// anyUnsure tells whether the proxies of some Gateway may yet reject again what
// they have rejected.
func anyUnsure(live map[ir.Name]Live) bool {
	for _, l := range live {
		if l.Settling && (l.Connected == 0 || !l.Acknowledged) {
			return true
		}
	}
	return false
}

// charge is a rejection by the proxies of a Gateway.
type charge struct {
	gateway ir.Name
	message string
}

// blame finds the objects that shaped what was rejected.
func blame(r *ir.Result, live map[ir.Name]Live) map[ir.Ref][]charge {
	blamed := map[ir.Ref][]charge{}
	for _, g := range r.Gateways {
		for _, rejection := range live[g.Name].Rejections {
			for _, ref := range origins(g, rejection) {
				blamed[ref] = append(blamed[ref], charge{g.Name, bounded(rejection.Message)})
			}
		}
	}
	return blamed
}

// origins are the objects behind a rejected part of g.
func origins(g *ir.Gateway, rejection Rejection) []ir.Ref {
	var refs []ir.Ref
	switch rejection.Part {
	case PartCluster, PartSecret:
		for _, c := range g.Clusters {
			if c.Name == rejection.Name || rejection.Part == PartSecret && names(c.TLS, rejection.Name) {
				refs = append(refs, c.Origin...)
			}
		}
	case PartRoute:
		if kind, name, ok := ir.RouteOwner(rejection.Name); ok {
			refs = append(refs, ir.Ref{Group: gatewayv1.GroupName, Kind: kind, Name: name})
		}
	case PartListener, PartRouteConfig, PartUnknown:
		// Many objects share these: the Gateway says it.
	}
	return refs
}

func names(tls *ir.UpstreamTLS, secret string) bool {
	return tls != nil && secret != "" && (tls.TrustBundle == secret || tls.ClientCertificate == secret)
}

// withBlame puts Accepted=False where the proxies of a Gateway rejected what s
// led to. parents are the Gateways of the ListenerSets.
func withBlame(s ir.ObjectStatus, charges []charge, parents map[ir.Name]ir.Name) ir.ObjectStatus {
	if len(s.Conditions) > 0 {
		s.Conditions = refuse(s.Conditions, charges[0].message)
	}
	s.Parents = slices.Clone(s.Parents)
	for i, p := range s.Parents {
		if message, ok := charged(p.Parent, s.Name, charges, parents); ok {
			s.Parents[i].Conditions = refuse(p.Conditions, message)
		}
	}
	s.Ancestors = slices.Clone(s.Ancestors)
	for i, a := range s.Ancestors {
		if message, ok := charged(a.Ancestor, s.Name, charges, parents); ok {
			s.Ancestors[i].Conditions = refuse(a.Conditions, message)
		}
	}
	return s
}

// charged finds the charge by the Gateway that parent, a reference in the
// object named owner, points to, or by that of the ListenerSet.
func charged(parent ir.ParentRef, owner ir.Name, charges []charge, parents map[ir.Name]ir.Name) (string, bool) {
	gateway := ir.Name{Namespace: owner.Namespace, Name: parent.Name}
	if parent.Namespace != nil {
		gateway.Namespace = *parent.Namespace
	}
	switch {
	case parent.Kind == nil || *parent.Kind == gatewayKind:
	case *parent.Kind == listenerSetKind:
		gateway = parents[gateway]
	default:
		return "", false
	}
	for _, c := range charges {
		if c.gateway == gateway {
			return c.message, true
		}
	}
	return "", false
}

// refuse replaces Accepted. A condition that says no already is the better
// explanation and stays.
func refuse(conditions []ir.Condition, message string) []ir.Condition {
	refused := slices.Clone(conditions)
	for i, c := range refused {
		if c.Type == conditionAccepted && c.Status == ir.True {
			refused[i] = ir.Condition{Type: conditionAccepted, Status: ir.False, Reason: reasonInvalid, Message: message}
		}
	}
	return refused
}

func bounded(message string) string {
	message = strings.ToValidUTF8(message, "?")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
	}
	return message
}

// gateway adds Programmed to a Gateway and its listeners, and the addresses of
// what is deployed for it, nil where nothing is. g is what its proxies run.
func gateway(s ir.ObjectStatus, g *ir.Gateway, live Live, deployed *ir.Deployment) Object {
	object := Object{ObjectStatus: s}
	programmed := programmedOf(live)
	if deployed != nil {
		object.Addresses = deployed.Addresses
		if no, found := unreachable(live, deployed); found && programmed.Reason != reasonInvalid {
			programmed = no
		}
	}
	if no, found := allClosed(s.Listeners); found {
		programmed = no
	}
	if no, found := refusal(s.Conditions, conditionAccepted); found {
		programmed = no
	}
	object.KeepProgrammed = live.Settling && programmed.Reason == reasonPending
	object.Conditions = append(slices.Clone(s.Conditions), programmed)
	object.Listeners = listeners(s.Listeners, g, live)
	return object
}

// refusal is the Programmed condition of what one of the conditions refuses.
func refusal(conditions []ir.Condition, types ...string) (ir.Condition, bool) {
	for _, c := range conditions {
		if c.Status == ir.False && slices.Contains(types, c.Type) {
			return ir.Condition{
				Type: conditionProgrammed, Status: ir.False, Reason: reasonInvalid,
				Message: fmt.Sprintf("%s is False: %s", c.Type, c.Message),
			}, true
		}
	}
	return ir.Condition{}, false
}

// unreachable is the Programmed condition of a Gateway that lacks more than an
// acknowledgement: its proxies, or an address.
func unreachable(live Live, deployed *ir.Deployment) (ir.Condition, bool) {
	no := ir.Condition{Type: conditionProgrammed, Status: ir.False}
	switch {
	case deployed.Unusable != "":
		no.Reason, no.Message = string(gatewayv1.GatewayReasonAddressNotUsable), deployed.Unusable
	case lacksRequested(live, deployed):
		no.Reason = string(gatewayv1.GatewayReasonAddressNotUsable)
		no.Message = bounded(fmt.Sprintf("the Service has not the addresses that spec.addresses asks for, %s; one that exists keeps what it has until it is deleted: %s",
			strings.Join(deployed.Requested, ", "), cmp.Or(live.Undeployed, "it has "+strings.Join(deployed.Addresses, ", "))))
	case live.Undeployed != "":
		no.Reason, no.Message = string(gatewayv1.GatewayReasonNoResources), bounded(live.Undeployed)
	case live.Connected > 0 && len(deployed.Addresses) == 0:
		no.Reason = string(gatewayv1.GatewayReasonAddressNotAssigned)
		no.Message = "the Service has no address yet: one of type LoadBalancer waits for a load balancer of the cluster, and GatewayParameters can choose another type"
	default:
		return ir.Condition{}, false
	}
	return no, true
}

// serviceRefused is in what deploy says where the API server takes no Service.
const serviceRefused = "apply Service "

// lacksRequested tells whether a Gateway was given other addresses than it asks
// for, or none because the Service was refused.
func lacksRequested(live Live, deployed *ir.Deployment) bool {
	for _, address := range deployed.Requested {
		if !slices.Contains(deployed.Addresses, address) {
			return len(deployed.Addresses) > 0 || strings.Contains(live.Undeployed, serviceRefused)
		}
	}
	return false
}

// programmedOf says whether the proxies run what was accepted.
func programmedOf(live Live) ir.Condition {
	programmed := ir.Condition{Type: conditionProgrammed, Status: ir.False, Reason: reasonPending}
	switch {
	case len(live.Rejections) > 0:
		programmed.Reason, programmed.Message = reasonInvalid, bounded(live.Rejections[0].Message)
	case live.Held != "":
		programmed.Message = live.Held
	case live.Connected == 0:
		programmed.Message = "no Envoy is connected to the controller"
	case !live.Acknowledged:
		programmed.Message = "Envoy has not acknowledged this generation yet"
	default:
		programmed.Status, programmed.Reason = ir.True, conditionProgrammed
		programmed.Message = "Envoy runs this generation"
	}
	return programmed
}
