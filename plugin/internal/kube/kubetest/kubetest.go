// Package kubetest runs a real kube-apiserver for the tests of verbs. In goes
// a test binary's m.Run; out come Clients of a cluster that knows every kind
// the verbs use. There are no controllers: nothing fills in status, endpoints
// or service accounts.
package kubetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// Cluster is a running API server.
type Cluster struct {
	// Config is of an administrator.
	Config *rest.Config
	// Kubeconfig is the same as a file's content.
	Kubeconfig []byte
	stop       func() error
}

// Start runs etcd and a kube-apiserver from KUBEBUILDER_ASSETS, with all
// CRDs, or without any. Missing binaries are an error that says where to get
// them.
func Start(withCRDs bool) (*Cluster, error) { return StartWith(withCRDs, nil) }

// StartWith is Start with further flags of kube-apiserver, by their names.
func StartWith(withCRDs bool, flags map[string]string) (*Cluster, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if _, err := exec.LookPath(filepath.Join(assets, "kube-apiserver")); assets == "" || err != nil {
		return nil, errors.New("this test needs kube-apiserver and etcd: run make test, or make tools and set KUBEBUILDER_ASSETS")
	}
	environment := &envtest.Environment{
		ControlPlaneStartTimeout: time.Minute,
		ControlPlaneStopTimeout:  10 * time.Second,
	}
	for name, value := range flags {
		environment.ControlPlane.GetAPIServer().Configure().Set(name, value)
	}
	if withCRDs {
		crds, err := templates.CRDs(templates.Standard)
		if err != nil {
			return nil, err
		}
		environment.CRDs = crds
	}
	config, err := environment.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start kube-apiserver: %w", err), environment.Stop())
	}
	return &Cluster{Config: config, Kubeconfig: environment.KubeConfig, stop: environment.Stop}, nil
}

// Stop ends the processes.
func (c *Cluster) Stop() error { return c.stop() }

// Main is the TestMain of a package whose tests share a cluster, which they
// find in *cluster.
func Main(m *testing.M, withCRDs bool, cluster **Cluster) {
	started, err := Start(withCRDs)
	if err != nil {
		panic(err)
	}
	*cluster = started
	defer func() { _ = started.Stop() }()
	m.Run()
}

// Clients are clients for a new namespace, named after the test.
func (c *Cluster) Clients(t *testing.T) *kube.Clients {
	t.Helper()
	clients, err := kube.NewForConfig(c.Config, "default")
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}
	Create(t, clients, namespace)
	clients.Namespace, clients.ContextNamespace = namespace.Name, namespace.Name
	return clients
}

// KubeconfigFile writes the kubeconfig to a file of the test.
func (c *Cluster) KubeconfigFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, c.Kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Create creates objects, in the clients' namespace where they name none.
func Create(t *testing.T, clients *kube.Clients, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if _, isNamespace := object.(*corev1.Namespace); !isNamespace && object.GetNamespace() == "" {
			object.SetNamespace(clients.Namespace)
		}
		if err := clients.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

// Service makes a Service and an endpoint slice that leads to a port of this
// machine, under the name NAME.localhost. Port 0 makes it without endpoints.
func Service(t *testing.T, clients *kube.Clients, name string, servicePort, port int32) {
	t.Helper()
	portName, ready := "https", true
	Create(t, clients, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: servicePort}}},
	})
	if port == 0 {
		return
	}
	Create(t, clients, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeFQDN,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{strings.ToLower(name) + ".localhost"},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
	})
}
