// Package v1alpha1 holds the Go types of gateway.kgateway.dev/v1alpha1:
// Backend, a destination outside the cluster, BackendConfigPolicy, how a proxy
// connects to a Service or Backend, and GatewayParameters, how the proxies of a
// Gateway are deployed.
//
// The names, bounds and rules are those of kgateway, so that manifests move
// both ways. The schema is stricter in a few places. insecureSkipVerify cannot
// be false, because that would choose no trust at all, and an sni cannot be
// empty. Every number has a greatest value, ports that of TCP: the API server
// does not check formats as int32, and one object with a number that its Go type
// cannot hold would keep a controller from reading any object of the kind.
//
// What the schema takes the controller may still refuse in a policy's status:
// names of algorithms that Envoy does not have, and values by which one policy
// could keep a proxy busy that others share. The descriptions give its bounds.
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
