//go:build e2e

package kind

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// TestDevUp: what the first dev-up said, and that a second one has nothing to
// do.
func TestDevUp(t *testing.T) {
	s := shared(t)
	says(t, s.up, "kubectl tlsgw originate svc/nginx", "kubectl tlsgw verify")
	before := s.names(t, "pods,secrets,configmaps,services,deployments")
	again := s.upAgain(t)
	says(t, again, "nothing to do")
	if strings.Contains(again.Stderr, "✓") {
		t.Errorf("the second dev-up did something: %s", again)
	}
	if after := s.names(t, "pods,secrets,configmaps,services,deployments"); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the second dev-up changed %v to %v", before, after)
	}
	if current := s.command(t, "kubectl config current-context"); !strings.HasPrefix(current, "kind-"+s.Name) {
		t.Errorf("the current context is %q", current)
	}
}

// TestDevUpHeals: what was deleted comes back with dev-up.
func TestDevUpHeals(t *testing.T) {
	s := shared(t)
	s.cleanup(t, func(ctx context.Context) {
		if _, err := s.Up(ctx); err != nil {
			t.Error(err)
		}
	})
	s.kubectl(t, "delete", "gateway", contract.DevGatewayName, "-n", contract.DevGatewayNamespace)
	s.kubectl(t, "delete", "deployment", contract.ControllerDeployment, "-n", contract.SystemNamespace)
	healed := s.upAgain(t)
	says(t, healed, "controller", "gateway")
	s.originated(t)
	s.await(t, soon, guideHost, "/", http.StatusOK)
	s.wantVerdict(t, "svc/nginx", "Verified")
}
