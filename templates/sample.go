package templates

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// The names of the sample backend, as in the guide.
const (
	SampleNamespace = "default"
	SampleName      = "nginx"
	SamplePort      = 8443
	// SampleConfigMap holds the sample's CA under contract.CAKey.
	SampleConfigMap = "nginx-ca"
)

// LocalSampleValues say where the sample is, and what to trust.
type LocalSampleValues struct {
	// Host is a DNS name of at least two labels, as nginx.localhost: an
	// EndpointSlice may not hold a loopback address.
	Host string
	// Port is where the sample's process listens.
	Port int32
	// CA is the PEM bundle that the sample's certificate chains to.
	CA string
}

// LocalSample gives a sample backend that is a process of this machine, and no
// pod: svc/nginx without a selector, its EndpointSlice, and configmap/nginx-ca.
func LocalSample(values LocalSampleValues) ([]client.Object, error) {
	return render("local-sample", map[string]any{
		"Namespace":   SampleNamespace,
		"Name":        SampleName,
		"ConfigMap":   SampleConfigMap,
		"ServicePort": SamplePort,
		"Host":        values.Host,
		"Port":        values.Port,
		"CA":          values.CA,
		"ManagedBy":   contract.FieldManager,
	})
}
