// Package v1alpha1 holds the Go types of gateway.kgateway.dev/v1alpha1:
// Backend, a destination outside the cluster, BackendConfigPolicy, how a proxy
// connects to a Service or Backend, and GatewayParameters, how the proxies of a
// Gateway are deployed.
//
// The names, bounds and rules are those of kgateway, so that manifests move
// both ways. The schema is stricter in two places. insecureSkipVerify cannot be
// false, because that would choose no trust at all. And every number has a
// greatest value: the API server does not check formats as int32, and one
// object with a number that its Go type cannot hold would keep a controller
// from reading any object of the kind.
//
// Fields that kgateway has renamed, and Backend variants that this project does
// not serve, are in the schema only to be refused with a message that says what
// to do instead.
//
// The CustomResourceDefinitions are generated from these types into
// templates/crds/tlsgw, and the DeepCopy methods into this folder: run
// `make generate` after a change.
//
// +kubebuilder:object:generate=true
// +groupName=gateway.kgateway.dev
package v1alpha1

//go:generate controller-gen object crd paths=. output:crd:dir=../../../templates/crds/tlsgw
