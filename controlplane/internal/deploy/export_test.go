package deploy

import "github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"

// BootstrapOptions are those of the proxies' bootstrap.
func BootstrapOptions(s Spec, p Proxy) bootstrap.Options {
	return (&builder{Spec: s, proxy: p, kube: filled(s.Merged)}).bootstrapOptions()
}
