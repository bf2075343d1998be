package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The API group and version of every type in this package, and their kinds.
const (
	GroupName = "gateway.kgateway.dev"
	Version   = "v1alpha1"

	KindBackend             = "Backend"
	KindBackendConfigPolicy = "BackendConfigPolicy"
	KindGatewayParameters   = "GatewayParameters"
)

// SchemeGroupVersion is the group and version of this package's types.
func SchemeGroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: GroupName, Version: Version}
}

// AddToScheme registers this package's types with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion(),
		&Backend{}, &BackendList{},
		&BackendConfigPolicy{}, &BackendConfigPolicyList{},
		&GatewayParameters{}, &GatewayParametersList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion())
	return nil
}
