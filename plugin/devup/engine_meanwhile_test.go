//go:build e2e

package devup_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// holdPort takes a port of this machine until the test ends.
func holdPort(t *testing.T, port int) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// A cluster that somebody else makes while dev-up is about to is left alone,
// whenever that is: here it comes beside a question that dev-up asks the engine.
func TestEngineMeanwhile(t *testing.T) {
	t.Parallel()
	real, err := exec.LookPath(engineName(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, question := range map[string]string{"before the last look": "image inspect", "after it": "network inspect"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newEngineMachine(t)
			cluster := clusterName(t)
			args := m.kindArgs(t, cluster)
			bin, made := filepath.Join(m.dir, "bin"), filepath.Join(t.TempDir(), "made")
			if err := os.Mkdir(bin, 0o750); err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf(`#!/bin/sh
if [ "$1 $2" = "%[1]s" ] && [ ! -e %[2]s ]; then
	%[3]s run --detach --entrypoint sleep --label io.x-k8s.kind.cluster=%[4]s \
		--label io.x-k8s.kind.role=control-plane --name %[4]s-control-plane %[5]s 600 >%[2]s
fi
exec %[3]s "$@"
`, question, made, real, cluster, nodeImage)
			shim := filepath.Join(bin, engineName(t))
			if err := os.WriteFile(shim, []byte(script), 0o700); err != nil { // #nosec G306 -- a program
				t.Fatal(err)
			}
			t.Cleanup(func() { inEngine(t, "rm", "--force", "--volumes", cluster+"-control-plane") })
			m.env["PATH"] = bin + string(os.PathListSeparator) + m.env["PATH"]
			m.command(t.Context(), t, args...).mustExit(t, 1).
				mustSay(t, "there is a kind cluster", cluster+"-control-plane", "dev-up did not make it", "nothing was changed").mustNotSay(t, "nothing is left of it")
			if inEngine(t, "ps", "--quiet", "--filter", "name="+cluster+"-control-plane") == "" {
				t.Error("somebody's cluster is gone")
			}
			m.mustLeaveNothing(t, filepath.Join(m.dir, "kubectl-tlsgw"), shim)
		})
	}
}
