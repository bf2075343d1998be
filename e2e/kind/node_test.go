//go:build e2e

package kind

import (
	"net/http"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// reboot is how long a node may take until everything on it answers again.
const reboot = 4 * time.Minute

// TestNodeRestarted: after a reboot of the machine everything comes back by
// itself.
func TestNodeRestarted(t *testing.T) {
	s := shared(t)
	s.originated(t)
	nodes, err := s.provider.ListNodes(s.Name)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	for _, node := range nodes {
		if ran := s.Command(t.Context(), "", s.engine.Name, "restart", node.String()); ran.Code != 0 {
			t.Fatal(ran)
		}
	}
	poll.Until(t, reboot, "the API server answers", func() (bool, string) {
		ran := s.try(t.Context(), "get", "--raw", "/readyz")
		return ran.Code == 0, ran.Stderr
	})
	s.await(t, reboot, sampleHost, "/", http.StatusOK)
	t.Logf("the gateway answers %s after the restart", time.Since(before).Round(time.Second))
	for _, deployment := range []struct{ namespace, name string }{
		{contract.SystemNamespace, contract.ControllerDeployment}, {contract.DevGatewayNamespace, contract.DevGatewayName}, {"default", "nginx"},
	} {
		s.rolledOut(t, deployment.namespace, deployment.name)
	}
	s.wantVerdict(t, "svc/nginx", "Verified")
	s.changesLand(t)
	says(t, s.upAgain(t), "nothing to do")
}

// upAgain runs dev-up on the cluster that is up.
func (s *suite) upAgain(t *testing.T) devcluster.Result {
	t.Helper()
	ran, err := s.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ran
}
