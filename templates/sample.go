package templates

import (
	"crypto/sha256"
	"encoding/hex"

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
	// SampleSecret holds what a sample in a pod serves with, and
	// SampleConfig its nginx.conf.
	SampleSecret = "nginx-tls" // #nosec G101 -- a name
	SampleConfig = "nginx-conf"
	// SampleImage is what a sample in a pod runs.
	SampleImage = "docker.io/library/nginx:stable"
	// AnnotationSample on SampleSecret says in which way the sample is broken.
	AnnotationSample = "tlsgw.dev/sample"
	// AnnotationChecksum on a Deployment and its pods changes with the files
	// that they read when they start.
	AnnotationChecksum = "tlsgw.dev/checksum"

	// SampleTLSDir is where a sample in a pod finds the keys of SampleSecret,
	// SampleTempDir where it may write.
	SampleTLSDir  = "/etc/tlsgw/tls"
	SampleTempDir = "/tmp"
	// SampleClientCAKey is the key of SampleSecret with the CA of the client
	// certificates that the sample accepts.
	SampleClientCAKey = "client-ca.crt"
)

// ClusterSampleValues say what a sample in a pod serves, and what to trust.
type ClusterSampleValues struct {
	// Break says in which way the sample is broken.
	Break string
	// Certificate, Key, ClientCA and CA are PEM: what the sample serves with,
	// and the bundle that its certificate chains to.
	Certificate, Key, ClientCA, CA []byte
	// NginxConf is nginx's configuration.
	NginxConf string
}

// ClusterSample gives a sample backend in a pod: its Secret, configmap/nginx-ca,
// its configuration, svc/nginx and its Deployment.
func ClusterSample(values ClusterSampleValues) ([]client.Object, error) {
	sum := sha256.New()
	for _, part := range [][]byte{values.Certificate, values.Key, values.ClientCA, []byte(values.NginxConf)} {
		// Hashes of a fixed length: no two contents run into each other.
		one := sha256.Sum256(part)
		sum.Write(one[:])
	}
	return render("cluster-sample", map[string]any{
		"Namespace": SampleNamespace, "Name": SampleName,
		"Secret": SampleSecret, "ConfigMap": SampleConfigMap, "Config": SampleConfig,
		"Port": SamplePort, "Image": SampleImage,
		"Break":       values.Break,
		"Certificate": values.Certificate, "Key": values.Key, "Bundle": values.CA, "ClientCA": values.ClientCA,
		"CA":        string(values.CA),
		"NginxConf": values.NginxConf,
		"Checksum":  hex.EncodeToString(sum.Sum(nil)),
		"ManagedBy": contract.FieldManager,
	})
}

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
