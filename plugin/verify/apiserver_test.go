package verify

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// startAPIServer runs a real kube-apiserver with all CRDs until the test ends.
func startAPIServer(t *testing.T) *kube.Clients {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(assets, name)); assets == "" || err != nil {
			t.Fatalf("KUBEBUILDER_ASSETS=%q is not a folder with %s: make tools provides one, make test sets it", assets, name)
		}
	}
	definitions, err := templates.CRDs(templates.Standard)
	if err != nil {
		t.Fatal(err)
	}
	environment := &envtest.Environment{CRDs: definitions, BinaryAssetsDirectory: assets}
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("start kube-apiserver: %v", err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop kube-apiserver: %v", err)
		}
	})
	clients, err := kube.NewForConfig(config, "default")
	if err != nil {
		t.Fatal(err)
	}
	return clients
}
