//go:build e2e

package devup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/installation"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// TestEngineImage is a controller from an image that is given, and what goes
// wrong in the cluster that it makes.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestEngineImage(t *testing.T) {
	t.Parallel()
	m := newEngineMachine(t)
	m.env["PATH"] = os.Getenv("PATH")
	c := &imageCluster{machine: m, name: clusterName(t), images: t}
	c.node = c.name + "-control-plane"
	c.ref = "devup.invalid/" + c.name + ":moving"
	program := c.tag(t)
	up := func(args ...string) []string {
		return append([]string{"dev-up", "--driver", "kind", "--name", c.name, "--http-port", fmt.Sprint(m.http)}, args...)
	}
	t.Cleanup(func() {
		m.command(context.WithoutCancel(t.Context()), t, "dev-down", "--driver", "kind", "--name", c.name)
	})
	const none = "127.0.0.1:1/none:1"

	t.Run("that the node cannot pull", func(t *testing.T) {
		m.command(t.Context(), t, up("--image", none)...).mustExit(t, 1).
			mustSay(t, "✓ cluster", "✗ controller image "+none, "error: the node cannot pull --image "+none, "connection refused", "nothing is left of it (--retain")
		mustLeaveNoContainer(t, c.name)
		m.mustLeaveNothing(t, program)
	})
	t.Run("that the node cannot pull, kept", func(t *testing.T) {
		m.command(t.Context(), t, up("--image", none, "--retain")...).mustExit(t, 1).
			mustSay(t, "error: the node cannot pull --image "+none, "everything was kept for a look", "dev-down removes it all")
		if inEngine(t, "ps", "--quiet", "--filter", "name="+c.node) == "" {
			t.Error("there is no node to look at")
		}
	})
	t.Run("of the engine", func(t *testing.T) {
		m.command(t.Context(), t, up("--image", c.ref)...).mustExit(t, 0).mustSay(t, "Healing", "✓ controller image "+c.ref, "Context kind-"+c.name)
		if got := m.status(t); got != 404 {
			t.Errorf("the gateway without routes answers %d, want 404", got)
		}
		c.mustBeWell(t)
	})
	t.Run("of the same name, and another one", func(t *testing.T) { c.checkMoved(t) })
	t.Run("which runs and does not do its work", func(t *testing.T) { c.checkState(t) })
	t.Run("with settings that are broken", func(t *testing.T) { c.checkBrokenSettings(t) })
	t.Run("on a full disk", func(t *testing.T) { c.checkFullDisk(t) })
	t.Run("on a node that does not start", func(t *testing.T) { c.checkNode(t) })

	m.command(t.Context(), t, "dev-down", "--name", c.name).mustExit(t, 0)
	mustLeaveNoContainer(t, c.name)
	// Who made the kubeconfig was in the settings that were broken.
	m.mustLeaveNothing(t, program, m.env["KUBECONFIG"])
}

// imageCluster is the cluster of TestEngineImage.
type imageCluster struct {
	*machine
	name, node, ref string
	// images is the test that takes the engine's images away again.
	images *testing.T
}

// up is a dev-up that asks for nothing but to be well.
func (c *imageCluster) up(t *testing.T, args ...string) result {
	t.Helper()
	return c.command(t.Context(), t, append([]string{"dev-up", "--name", c.name}, args...)...)
}

func (c *imageCluster) mustBeWell(t *testing.T) {
	t.Helper()
	c.up(t).mustExit(t, 0).mustSay(t, upAndWell)
}

// tag gives the engine an image of the controller with the reference, another
// one for other flags of the linker. It returns the program.
func (c *imageCluster) tag(t *testing.T, flags ...string) string {
	t.Helper()
	program := filepath.Join(c.dir, "kubectl-tlsgw")
	args := append(append([]string{"build", "-o", program}, flags...), "github.com/tlsgw/kubectl-tlsgw/cmd/kubectl-tlsgw")
	build := exec.CommandContext(t.Context(), "go", args...) // #nosec G204 -- go build
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	binary, err := image.Inspect(program)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(binary)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(t.TempDir(), "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := built.WriteArchive(archive); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	inEngine(t, "load", "--input", archive.Name())
	inEngine(t, "tag", built.Ref, c.ref)
	inEngine(t, "rmi", built.Ref)
	id := inEngine(t, "image", "inspect", "--format", "{{.ID}}", c.ref)
	c.images.Cleanup(func() { inEngine(c.images, "rmi", "--force", id) })
	return program
}

// controllers are the images of the controller's pods.
func (c *imageCluster) controllers(t *testing.T) []string {
	t.Helper()
	var pods corev1.PodList
	if err := c.client(t).List(t.Context(), &pods, client.InNamespace("tlsgw-system")); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.DeletionTimestamp == nil && len(pod.Status.ContainerStatuses) > 0 {
			ids = append(ids, pod.Status.ContainerStatuses[0].ImageID)
		}
	}
	return ids
}

func (c *imageCluster) checkMoved(t *testing.T) {
	t.Helper()
	before := c.controllers(t)
	c.tag(t, "-ldflags=-X=main.other=1 -s")
	c.up(t).mustExit(t, 0).mustSay(t, "✓ controller image "+c.ref, "✓ controller ")
	after := c.controllers(t)
	for _, id := range after {
		if slices.Contains(before, id) {
			t.Errorf("a controller still runs %s", id)
		}
	}
	if len(after) == 0 {
		t.Error("there is no controller")
	}
	c.mustBeWell(t)
}

// checkState: what the controller says last is shown where it is ready and has
// not done its work.
func (c *imageCluster) checkState(t *testing.T) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.env["KUBECONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	clients, err := kube.NewForConfig(config, "")
	if err != nil {
		t.Fatal(err)
	}
	class := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "tlsgw"}}
	if err := c.client(t).Delete(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = installation.WaitReady(ctx, clients, nil)
	if err == nil {
		t.Fatal("a GatewayClass that is not there is accepted")
	}
	said := strings.Join(fail.As(err).Details, "\n")
	if !strings.Contains(said, "pod tlsgw-controller-") || !strings.Contains(said, ": is ready\n") || !strings.Contains(said, "\n  log ") {
		t.Errorf("%v, and of the pods:\n%s", err, said)
	}
	c.up(t).mustExit(t, 0).mustSay(t, "Healing")
}

// checkBrokenSettings: those of the node count then.
func (c *imageCluster) checkBrokenSettings(t *testing.T) {
	t.Helper()
	file := c.state(c.name+".kind", "settings.json")
	for _, content := range []string{"", "{}"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c.mustBeWell(t)
		var healed struct {
			HTTPPort      int
			Sample        bool
			Image, Engine string
		}
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &healed); err != nil {
			t.Fatal(err)
		}
		if healed.HTTPPort != c.http || !healed.Sample || healed.Image != c.ref || healed.Engine != engineName(t) {
			t.Errorf("after %q the settings are %+v", content, healed)
		}
	}
}

// checkFullDisk fills the folder of the mark, which is written when the sample
// has been broken.
func (c *imageCluster) checkFullDisk(t *testing.T) {
	t.Helper()
	inNode := func(script string) { inEngine(t, "exec", c.node, "sh", "-c", script) }
	inNode("mount -t tmpfs -o size=64k tmpfs /kind && ! head -c 1m /dev/zero >/kind/fill")
	c.up(t, "--break", "ca").mustExit(t, 1).
		mustSay(t, "the disk of the node "+c.node+" is full", "No space left on device", engineName(t)+" system ", "what still runs was left alone")
	inNode("umount /kind")
	c.up(t, "--break", "none").mustExit(t, 0)
}

// checkNode: what the container wrote is shown where it does not start.
func (c *imageCluster) checkNode(t *testing.T) {
	t.Helper()
	inEngine(t, "kill", c.node)
	taken := holdPort(t, c.http)
	c.up(t).mustExit(t, 1).mustSay(t, "✗ cluster", "cannot be started", "\n  "+c.node+": ", "dev-down")
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
}
