// Package templates holds the objects that dev-up and an installation start
// from: the CustomResourceDefinitions, the controller's namespace, account and
// rights, the GatewayClass, the dev Gateway and the sample backend. Values go
// in, objects come out, ready for a server-side apply, in the order in which
// they can be applied.
//
//	crds, err := templates.GatewayAPICRDs(templates.Standard) // and KgatewayCRDs()
//	objects, err := templates.Controller(templates.ControllerValues{Image: image})
//	objects, err = templates.Gateway(templates.GatewayValues{Port: 8080})
//	objects, err = templates.LocalSample(templates.LocalSampleValues{...})
//
// The manifests are YAML with places to fill in, no conditions and no loops:
// what depends on a decision is decided by the caller. Every value is written
// as JSON, so that no value can break out of its place. A key that occurs
// twice, a value that is missing and an object without a name are errors.
//
// manifests/ is written by hand. crds/ is generated: crds/tlsgw from
// controlplane/api, crds/gateway-api copied from the module of that name in
// go.mod. Run `make generate` after a change of either.
package templates

// The admission policy (vap) beside the definitions is left out: a dev cluster
// may change its channel.
//go:generate sh -c "rm -f crds/gateway-api/*/*.yaml"
//go:generate sh -c "cp $(go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd/standard/*io_[!v]*.yaml crds/gateway-api/standard/"
//go:generate sh -c "cp $(go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd/experimental/*io_[!v]*.yaml crds/gateway-api/experimental/"
