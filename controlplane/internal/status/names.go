package status

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Kinds whose status is written.
const (
	gatewayClassKind        = "GatewayClass"
	gatewayKind             = "Gateway"
	listenerSetKind         = "ListenerSet"
	httpRouteKind           = "HTTPRoute"
	grpcRouteKind           = "GRPCRoute"
	tlsRouteKind            = "TLSRoute"
	backendTLSPolicyKind    = "BackendTLSPolicy"
	backendKind             = v1alpha1.KindBackend
	backendConfigPolicyKind = v1alpha1.KindBackendConfigPolicy
)

// Conditions and reasons that are added here; they are the same for every
// kind of Gateway API, and in gateway.kgateway.dev.
const (
	conditionAccepted     = string(gatewayv1.GatewayConditionAccepted)
	conditionProgrammed   = string(gatewayv1.GatewayConditionProgrammed)
	conditionResolvedRefs = string(gatewayv1.ListenerConditionResolvedRefs)
	reasonInvalid         = string(gatewayv1.GatewayReasonInvalid)
	reasonPending         = string(gatewayv1.GatewayReasonPending)

	reasonNotAllowed        = string(gatewayv1.ListenerSetReasonNotAllowed)
	reasonListenersNotValid = string(gatewayv1.ListenerSetReasonListenersNotValid)
	reasonParentNotAccepted = string(gatewayv1.ListenerSetReasonParentNotAccepted)
	reasonHostnameConflict  = string(gatewayv1.ListenerEntryReasonHostnameConflict)
	reasonProtocolConflict  = string(gatewayv1.ListenerEntryReasonProtocolConflict)
	// reasonParentNotProgrammed is in the API's text, without a constant.
	reasonParentNotProgrammed = "ParentNotProgrammed"
)

// versionOf is the version in which the status of ref's kind is written.
func versionOf(ref ir.Ref) schema.GroupVersionKind {
	gvk := schema.GroupVersionKind{Group: ref.Group, Version: gatewayv1.GroupVersion.Version, Kind: ref.Kind}
	if ref.Group == v1alpha1.GroupName {
		gvk.Version = v1alpha1.Version
	}
	return gvk
}
