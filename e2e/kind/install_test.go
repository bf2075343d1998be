//go:build e2e

package kind

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// TestUninstallAndInstall: the controller goes with all that it deployed, and
// what people wrote stays; installed again, it serves the same.
func TestUninstallAndInstall(t *testing.T) {
	s := shared(t)
	s.originated(t)
	s.cleanup(t, func(ctx context.Context) {
		if _, err := s.Up(ctx); err != nil {
			t.Error(err)
		}
	})
	image := s.kubectl(t, "get", "deployment", contract.ControllerDeployment, "-n", contract.SystemNamespace,
		"-o", "jsonpath={.spec.template.spec.containers[0].image}")
	const written = "gateways,httproutes,backendtlspolicies"
	before := s.names(t, written)

	// Nobody is there to be asked.
	says(t, s.exits(t, 1, "uninstall"), "kgateway-system/http", "--yes", "nothing was changed")
	s.await(t, soon, sampleHost, "/", http.StatusOK)
	s.ok(t, "uninstall", "--yes")
	for _, words := range [][]string{
		{"namespace", contract.SystemNamespace}, {"gatewayclass", contract.GatewayClassName},
		{"clusterrole", contract.ControllerServiceAccount},
	} {
		if ran := s.try(t.Context(), append([]string{"get"}, words...)...); ran.Code == 0 {
			t.Errorf("after uninstall there is %s", ran)
		}
	}
	poll.Until(t, slow, "no proxy is left", func() (bool, string) {
		left := s.names(t, deployed+",pods", "-l", contract.LabelGatewayName)
		return len(left) == 0, strings.Join(left, ", ")
	})
	if diff := cmp.Diff(before, s.names(t, written)); diff != "" {
		t.Errorf("uninstall took what people wrote (-before +now):\n%s", diff)
	}
	says(t, s.ok(t, "uninstall", "--yes"), "nothing")

	says(t, s.ok(t, "install", "--image", image), "The controller is ready")
	s.gatewayRolledOut(t)
	s.await(t, slow, sampleHost, "/", http.StatusOK)
	s.wantVerdict(t, "svc/nginx", "Verified")
	s.ok(t, "install", "--image", image, "--diff")
	says(t, s.ok(t, "install", "--image", image), "nothing had to be changed")

	t.Run("Manifests", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "install.yaml")
		manifests := s.ok(t, "install", "--image", image, "--dry-run", "-o", "yaml").Stdout
		if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
			t.Fatal(err)
		}
		s.kubectl(t, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", file)
	})
}
