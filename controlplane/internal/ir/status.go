package ir

// ObjectStatus is what the status of one object must say. The status writer
// turns it into the API type of the kind, adds what Envoy acknowledged, and
// keeps transition times and other controllers' entries.
type ObjectStatus struct {
	Ref
	Generation int64
	// Conditions of a GatewayClass, Gateway or Backend.
	Conditions []Condition
	// Features of Gateway API that a GatewayClass's controller serves, sorted.
	Features []string `json:"-"`
	// Listeners of a Gateway or ListenerSet, in the order of its spec.
	Listeners []ListenerStatus
	// Gateway is the one that a ListenerSet adds its listeners to.
	Gateway *Name `json:",omitempty"`
	// AttachedListenerSets of a Gateway; nil says nothing of them.
	AttachedListenerSets *int32 `json:",omitempty"`
	// Parents of a route, in the order of its spec.parentRefs; only those
	// that are Gateways of ours.
	Parents []ParentStatus
	// Ancestors of a policy, sorted, at most 16.
	Ancestors []AncestorStatus
}

// ConditionStatus is True, False or Unknown.
type ConditionStatus string

// The three states of a condition.
const (
	True    ConditionStatus = "True"
	False   ConditionStatus = "False"
	Unknown ConditionStatus = "Unknown"
)

// Condition has the fields of metav1.Condition that a translation decides.
type Condition struct {
	Type    string
	Status  ConditionStatus
	Reason  string
	Message string
}

// ListenerStatus is the status of one listener of a Gateway. Programmed is
// not among its conditions: the status writer adds it from what Envoy
// acknowledged, unless the listener is closed.
type ListenerStatus struct {
	Name           string
	AttachedRoutes int32
	// SupportedKinds are kinds of group gateway.networking.k8s.io.
	SupportedKinds []string
	Conditions     []Condition
	// Closed says that the listener is in nothing that the proxies run; one of
	// which only some references are not good may be open.
	Closed bool `json:",omitempty"`
	// Chains name the filter chains that serve the listener, which tell to
	// whom a rejection is news. They are no part of the status.
	Chains []string `json:"-"`
}

// ParentRef repeats a route's parentRef field by field; nil means absent.
type ParentRef struct {
	Group, Kind, Namespace *string
	Name                   string
	SectionName            *string
	Port                   *int32
}

// ParentStatus is the status of a route for one parentRef.
type ParentStatus struct {
	Parent     ParentRef
	Conditions []Condition
}

// AncestorStatus is the status of a policy for one ancestor: a Gateway that
// uses it, or its target where no Gateway does.
type AncestorStatus struct {
	Ancestor   ParentRef
	Conditions []Condition
}
