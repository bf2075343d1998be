package deploy

import "github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"

// BootstrapOptions are those of the proxies' bootstrap.
func BootstrapOptions(s Spec, p Proxy, drainToken string) bootstrap.Options {
	return (&builder{Spec: s, proxy: p, drainToken: drainToken, kube: filled(s.Merged)}).bootstrapOptions()
}
