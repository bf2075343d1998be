package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ProxyPod is about the pods of the proxies. Its fields are those of a pod.
type ProxyPod struct {
	// ExtraLabels are put on the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`

	// ExtraAnnotations are put on the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	ExtraAnnotations map[string]string `json:"extraAnnotations,omitempty"`

	// NodeSelector are the labels that a node must have.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Tolerations are the taints of nodes that the pods put up with.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []Toleration `json:"tolerations,omitempty"`

	// Affinity is that of a pod. The controller checks it; see `kubectl explain
	// pod.spec.affinity` for its fields.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Affinity *runtime.RawExtension `json:"affinity,omitempty"`

	// TopologySpreadConstraints spread the pods. Default: over nodes, where
	// that is possible. A constraint without a labelSelector is for the
	// Gateway's own pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	TopologySpreadConstraints []TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// TerminationGracePeriodSeconds is how long a pod may take to end. For two
	// thirds of it the proxy answers on, asks its clients to leave, and is
	// taken out of the Service's endpoints; then it ends. A request that takes
	// longer is cut off. Default: 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Toleration puts up with taints of nodes.
type Toleration struct {
	// Key of the taint. Empty, with operator Exists, is every taint.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key,omitempty"`

	// Operator compares the taint's value. Default: Equal.
	// +optional
	// +kubebuilder:validation:Enum=Exists;Equal
	Operator corev1.TolerationOperator `json:"operator,omitempty"`

	// Value of the taint, for operator Equal.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`

	// Effect of the taint. Empty is every effect.
	// +optional
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect,omitempty"`

	// TolerationSeconds is how long a pod stays on a node with effect
	// NoExecute. Default: for ever.
	// +optional
	// +kubebuilder:validation:Minimum=-2147483648
	// +kubebuilder:validation:Maximum=2147483647
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// TopologySpreadConstraint spreads pods over the values of a label of nodes.
type TopologySpreadConstraint struct {
	// MaxSkew is by how many pods two values may differ.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxSkew int32 `json:"maxSkew"`

	// TopologyKey is the label of nodes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	TopologyKey string `json:"topologyKey"`

	// WhenUnsatisfiable says whether a pod that does not fit waits.
	// +required
	// +kubebuilder:validation:Enum=DoNotSchedule;ScheduleAnyway
	WhenUnsatisfiable corev1.UnsatisfiableConstraintAction `json:"whenUnsatisfiable"`

	// LabelSelector chooses the pods that count. Default: the Gateway's.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// MinDomains is the number of values below which no skew is accepted.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MinDomains *int32 `json:"minDomains,omitempty"`

	// NodeAffinityPolicy says whether nodes count that affinity and
	// nodeSelector exclude. Default: Honor, they do not.
	// +optional
	// +kubebuilder:validation:Enum=Honor;Ignore
	NodeAffinityPolicy *corev1.NodeInclusionPolicy `json:"nodeAffinityPolicy,omitempty"`

	// NodeTaintsPolicy says whether nodes count whose taints the pods do not
	// tolerate. Default: Ignore, they do.
	// +optional
	// +kubebuilder:validation:Enum=Honor;Ignore
	NodeTaintsPolicy *corev1.NodeInclusionPolicy `json:"nodeTaintsPolicy,omitempty"`

	// MatchLabelKeys are labels whose value a pod must share to count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchLabelKeys []string `json:"matchLabelKeys,omitempty"`
}

// ResourceRequirements are those of a container. The controller checks the
// quantities, as 250m or 128Mi.
type ResourceRequirements struct {
	// Limits are the most that the container may use.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(name, type(self[name]) == string || (self[name] >= 0 && self[name] <= 2147483647))",message="a plain number must be between 0 and 2147483647: write larger ones with a unit, as 8Gi"
	Limits map[corev1.ResourceName]intstr.IntOrString `json:"limits,omitempty"`

	// Requests are what a node must have left for the container.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(name, type(self[name]) == string || (self[name] >= 0 && self[name] <= 2147483647))",message="a plain number must be between 0 and 2147483647: write larger ones with a unit, as 8Gi"
	Requests map[corev1.ResourceName]intstr.IntOrString `json:"requests,omitempty"`
}
