package deploy

import (
	"reflect"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/parameters"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// SystemCAFile is the CA bundle of the proxies' system, in their image or from
// a systemCA.
const SystemCAFile = "/etc/ssl/certs/ca-certificates.crt"

// FileFolders are those of a proxy whose files policies may name. The proxy's
// own certificate is in neither.
func FileFolders() []string { return []string{"/etc/ssl/certs", "/etc/tlsgw/files"} }

// Spec is what decides about the objects of one Gateway.
type Spec struct {
	*ir.Deployment
	// Merged are all GatewayParameters that apply, put together.
	Merged *v1alpha1.KubernetesProxy
}

func (s Spec) equal(o Spec) bool { return reflect.DeepEqual(s, o) }

// Specs adds to the deployments of a translation of s the parameters that they
// name. What runs for a Gateway whose class is gone stays as it is: a class can
// come back, and then no proxy shall have been missing.
func Specs(s *snapshot.Snapshot, r *ir.Result) map[ir.Name]Spec {
	known := make(map[ir.Name]*v1alpha1.GatewayParameters, len(s.GatewayParameters))
	for _, p := range s.GatewayParameters {
		known[ir.Name{Namespace: p.Namespace, Name: p.Name}] = p
	}
	specs := make(map[ir.Name]Spec, len(r.Deployments))
	for _, d := range r.Deployments {
		var all []*v1alpha1.GatewayParameters
		for _, name := range d.Parameters {
			if p := known[name]; p != nil {
				all = append(all, p)
			}
		}
		specs[d.Gateway] = Spec{Deployment: d, Merged: parameters.Merge(all...)}
	}
	classes := make(map[string]bool, len(s.GatewayClasses))
	for _, class := range s.GatewayClasses {
		classes[class.Name] = true
	}
	for _, g := range s.Gateways {
		name := ir.Name{Namespace: g.Namespace, Name: g.Name}
		if class := string(g.Spec.GatewayClassName); !classes[class] {
			specs[name] = Spec{Deployment: &ir.Deployment{Gateway: name, UID: string(g.UID), Class: class, Frozen: true}}
		}
	}
	return specs
}

// Proxy is what the proxies of all Gateways have in common.
type Proxy struct {
	// Image of Envoy, which GatewayParameters can replace in parts.
	Image string
	// XDSHost and XDSPort are where proxies reach the controller.
	XDSHost string
	XDSPort uint16
}
