package installation

import (
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// clients are those of a new cluster without any definition: what is
// installed is there once in a cluster, so that tests cannot share one.
func newCluster(t *testing.T) *kube.Clients {
	t.Helper()
	cluster, err := kubetest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	clients, err := kube.NewForConfig(cluster.Config, "")
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func TestMeasure(t *testing.T) {
	clients := newCluster(t)
	for range 3 {
		start := time.Now()
		p, err := Prepare(t.Context(), clients, Options{Image: "x"})
		if err != nil {
			t.Fatal(err)
		}
		t.Log("prepare", time.Since(start))
		start = time.Now()
		applied, err := p.Apply(t.Context(), nil)
		t.Log("apply", time.Since(start))
		if err != nil {
			t.Fatalf("%+v", err)
		}
		for _, a := range applied {
			t.Log(a.Name, a.Change)
		}
	}
}
