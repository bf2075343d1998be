package installation

import (
	"errors"
	"testing"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	m.Run()
}

// newCluster is one without any definition: an installation is there once in
// a cluster, so that tests cannot share one.
func newCluster(t *testing.T) (*kubetest.Cluster, *kube.Clients) {
	t.Helper()
	return newClusterWith(t, nil)
}

// newClusterWith is newCluster with flags of kube-apiserver.
func newClusterWith(t *testing.T, flags map[string]string) (*kubetest.Cluster, *kube.Clients) {
	t.Helper()
	cluster, err := kubetest.StartWith(false, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	clients, err := kube.NewForConfig(cluster.Config, "")
	if err != nil {
		t.Fatal(err)
	}
	return cluster, clients
}

// errorText is an error as the root command prints it.
func errorText(err error) string {
	text := err.Error() + "\n"
	if failure, ok := errors.AsType[*fail.Error](err); ok {
		for _, detail := range failure.Details {
			text += "  " + detail + "\n"
		}
		if failure.Fix != "" {
			text += "  fix: " + failure.Fix + "\n"
		}
		text += failure.Outcome + "\n"
	}
	return text
}
