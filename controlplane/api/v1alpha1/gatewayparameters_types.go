package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GatewayParameters say how the proxies of Gateways are deployed. A
// GatewayClass names one in spec.parametersRef for all its Gateways, a Gateway
// one of its own namespace in spec.infrastructure.parametersRef. Where both
// set a field, the Gateway's is taken; maps are merged by key, lists are taken
// whole.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=kgateway
// +kubebuilder:metadata:labels={app=kgateway,app.kubernetes.io/name=kgateway}
// +kubebuilder:metadata:labels={app.kubernetes.io/managed-by=kubectl-tlsgw}
// +kubebuilder:printcolumn:name="Service",type=string,JSONPath=".spec.kube.service.type",description="The type of the Gateway's Service"
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=".spec.kube.deployment.replicas",description="How many proxies run"
type GatewayParameters struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec has the parameters.
	// +required
	Spec GatewayParametersSpec `json:"spec"`
}

// GatewayParametersList is a list of GatewayParameters.
//
// +kubebuilder:object:root=true
type GatewayParametersList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GatewayParameters `json:"items"`
}

// GatewayParametersSpec has the parameters.
type GatewayParametersSpec struct {
	// Kube is about the objects that are made for a Gateway in its namespace.
	// +optional
	Kube *KubernetesProxy `json:"kube,omitempty"`
}

// KubernetesProxy is about the objects that are made for a Gateway.
type KubernetesProxy struct {
	// Deployment is about the Deployment of the proxies.
	// +optional
	Deployment *ProxyDeployment `json:"deployment,omitempty"`

	// EnvoyContainer is about the container that runs Envoy.
	// +optional
	EnvoyContainer *EnvoyContainer `json:"envoyContainer,omitempty"`

	// Service is about the Service in front of the proxies.
	// +optional
	Service *ProxyService `json:"service,omitempty"`

	// PodTemplate is about the pods of the Deployment.
	// +optional
	PodTemplate *ProxyPod `json:"podTemplate,omitempty"`

	// SystemCA replaces the CA bundle of the proxies' system, which policies
	// trust with wellKnownCACertificates: System. kgateway has no such field.
	// +optional
	SystemCA *SystemCA `json:"systemCA,omitempty"`
}

// ProxyDeployment is about the Deployment of the proxies.
type ProxyDeployment struct {
	// Replicas is how many proxies run. Without it, one runs, and a
	// HorizontalPodAutoscaler or a person may scale the Deployment.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Replicas *int32 `json:"replicas,omitempty"`
}

// EnvoyContainer is about the container that runs Envoy.
type EnvoyContainer struct {
	// Image is what the container runs. Each part that is left out is that of
	// the controller's default.
	// +optional
	Image *Image `json:"image,omitempty"`

	// Resources are requested and limited for the container, as in a pod. A
	// CPU limit also sets how many threads Envoy works with. Default: requests
	// of 10m CPU and 64Mi memory, no limits.
	// +optional
	Resources *ResourceRequirements `json:"resources,omitempty"`
}

// Image names an image as registry/repository:tag@digest.
type Image struct {
	// Registry is the host of the image, and what stands before the
	// repository: docker.io/envoyproxy.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._:/\[\]-]*[A-Za-z0-9\]])?$`
	Registry *string `json:"registry,omitempty"`

	// Repository is the name of the image: envoy.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$`
	Repository *string `json:"repository,omitempty"`

	// Tag is the version of the image. Without it, a digest stands alone.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`
	Tag *string `json:"tag,omitempty"`

	// Digest pins the image: sha256:0123...
	// +optional
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	Digest *string `json:"digest,omitempty"`

	// PullPolicy is when a node pulls the image. Default: IfNotPresent.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	PullPolicy *corev1.PullPolicy `json:"pullPolicy,omitempty"`
}

// ProxyService is about the Service in front of the proxies.
type ProxyService struct {
	// Type of the Service. Where it is LoadBalancer, the addresses of the
	// Gateway are those of the load balancer, else the cluster IPs of the
	// Service. Default: LoadBalancer.
	// +optional
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type *corev1.ServiceType `json:"type,omitempty"`

	// Ports say more of ports that a listener of the Gateway has; others are
	// left aside.
	// +optional
	// +listType=map
	// +listMapKey=port
	// +kubebuilder:validation:MaxItems=64
	Ports []ProxyPort `json:"ports,omitempty"`

	// ExternalTrafficPolicy Local sends what reaches a node only to proxies of
	// that node, which see the client's address. Not for type ClusterIP.
	// Default: Cluster.
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy *corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`

	// LoadBalancerClass chooses among the load balancers of the cluster. Only
	// for type LoadBalancer; the API server refuses to change it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`

	// ExtraLabels are put on the Service.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`

	// ExtraAnnotations are put on the Service.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	ExtraAnnotations map[string]string `json:"extraAnnotations,omitempty"`
}

// ProxyPort says more of one port of the Service.
type ProxyPort struct {
	// Port is that of a listener.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// NodePort is the port on every node. Not for type ClusterIP. Default: one
	// that the API server chooses.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`
}

// SystemCA names a bundle of CA certificates in PEM.
type SystemCA struct {
	// Name of a ConfigMap in the Gateway's namespace. When its content changes,
	// the proxies are replaced one after the other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Key of the ConfigMap that holds the bundle.
	// +optional
	// +kubebuilder:default="ca-certificates.crt"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key *string `json:"key,omitempty"`
}
