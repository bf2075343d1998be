//go:build e2e

package kind

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/engine"
)

// suite is what all tests share.
type suite struct {
	*devcluster.Cluster
	guard    *devcluster.Guard
	engine   engine.Engine
	provider *kindcluster.Provider
	certs    *pki.Maker
	// site is the CA of the stand-in for httpbin.org. It is in the bundle that
	// the gateway takes as that of its system.
	site *pki.Pair
	// up is what the first dev-up said.
	up devcluster.Result
	// dumped are the tests whose failure was documented.
	dumped map[string]bool
}

// cluster makes the dev cluster when the first test asks for it.
var cluster = sync.OnceValues(func() (*suite, error) { return newSuite(context.Background()) })

// asked is true once a test has asked for the dev cluster.
var asked bool

// TestMain ends what the tests have started, whatever became of them.
func TestMain(m *testing.M) {
	code := m.Run()
	if !asked {
		return
	}
	s, err := cluster()
	if err == nil {
		err = s.end(context.Background(), code != 0)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// shared is the suite, for a test that uses the dev cluster. When the test
// fails, the state of the cluster is kept in files.
func shared(t *testing.T) *suite {
	t.Helper()
	asked = true
	s, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.dumpFailed(t) })
	return s
}

// cleanup is t.Cleanup, with the state of the cluster kept before it is
// changed, when the test has failed.
func (s *suite) cleanup(t *testing.T, undo func(context.Context)) {
	t.Helper()
	t.Cleanup(func() {
		s.dumpFailed(t)
		undo(context.WithoutCancel(t.Context()))
	})
}

// environment is what the environment says, or otherwise.
func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// keep is true when the cluster shall outlive the tests.
func keep() bool { return os.Getenv("KEEP") == "1" }

// newSuite builds the binary and makes the dev cluster.
func newSuite(ctx context.Context) (*suite, error) {
	name := environment("E2E_CLUSTER", contract.DevClusterName)
	port, err := strconv.Atoi(environment("E2E_HTTP_PORT", strconv.Itoa(contract.DevHTTPPort)))
	if err != nil {
		return nil, fmt.Errorf("read E2E_HTTP_PORT: %w", err)
	}
	// The folder tells a later run that the cluster of that name was its own.
	dir := filepath.Join(os.TempDir(), "tlsgw-e2e-kind-"+name)
	s := &suite{certs: pki.NewMaker(time.Now, rand.Reader), dumped: map[string]bool{}}
	if s.engine, err = engine.Find(ctx); err != nil {
		return nil, err
	}
	engineEnv, err := s.engine.Env()
	if err != nil {
		return nil, err
	}
	s.provider = s.engine.Provider()
	if err := s.claim(name, dir); err != nil {
		return nil, err
	}
	kubectl, err := findKubectl()
	if err != nil {
		return nil, err
	}
	binary, err := devcluster.Plugin(ctx, dir)
	if err != nil {
		return nil, err
	}
	s.Cluster, err = devcluster.New(ctx, devcluster.Options{
		Binary: binary, Kubectl: kubectl, Driver: devcluster.Kind, Env: engineEnv, Name: name, Dir: dir,
		HTTPPort: port, SystemCAFile: filepath.Join(dir, "system-ca.pem"),
	})
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.end(ctx, true))
	}
	return s, nil
}

// claim refuses a cluster that somebody else has made, and makes the folder
// that says that it is ours.
func (s *suite) claim(name, dir string) error {
	there, err := s.provider.List()
	if err != nil {
		return fmt.Errorf("list clusters: %w", err)
	}
	_, err = os.Stat(dir)
	for _, one := range there {
		if one == name && err != nil {
			return fmt.Errorf("cluster %q is there and not of these tests: kubectl tlsgw dev-down --name %[1]s, or set E2E_CLUSTER and E2E_HTTP_PORT", name)
		}
	}
	return os.MkdirAll(dir, 0o700)
}

func (s *suite) start(ctx context.Context) (err error) {
	if !keep() {
		if s.guard, err = s.Guard(ctx); err != nil {
			return err
		}
		// What a run has left that could not end.
		if down := s.Down(ctx); down.Code != 0 {
			return fmt.Errorf("dev-down: %s", down)
		}
	}
	if err := s.trust(); err != nil {
		return err
	}
	// One that does not come up is there for the dump, and goes at the end.
	if s.up, err = s.Up(ctx, "--retain"); err != nil {
		return err
	}
	log.Printf("%s", s.up)
	return nil
}

// trust makes the CA of the stand-in, or takes that of a cluster that was
// kept.
func (s *suite) trust() (err error) {
	keyFile := filepath.Join(s.Dir, "site-ca.key")
	certificate, errRead := os.ReadFile(s.SystemCAFile)
	key, errKey := os.ReadFile(keyFile)
	if keep() && errors.Join(errRead, errKey) == nil {
		s.site, err = pki.Load(certificate, key)
		return err
	}
	if s.site, err = s.certs.CA(pki.Spec{CommonName: "Public Test CA"}); err != nil {
		return err
	}
	if key, err = s.site.Key().PEM(); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(s.SystemCAFile, s.site.CertPEM(), 0o600), os.WriteFile(keyFile, key, 0o600))
}

// end takes the dev cluster down, and looks whether anything is left of it.
func (s *suite) end(ctx context.Context, failed bool) error {
	if failed && len(s.dumped) == 0 {
		s.dump(ctx, "suite")
	}
	if keep() {
		log.Printf("kept: export KUBECONFIG=%s", s.Kubeconfig())
		return nil
	}
	var failures []error
	if down := s.Down(ctx); down.Code != 0 {
		failures = append(failures, fmt.Errorf("dev-down: %s", down))
	}
	failures = append(failures, s.nothingLeft(ctx))
	if s.guard != nil {
		s.guard.Dismiss()
	}
	return errors.Join(append(failures, os.RemoveAll(s.Dir))...)
}

// nothingLeft looks for nodes, for the context, and for state.
func (s *suite) nothingLeft(ctx context.Context) error {
	var failures []error
	nodes, err := s.provider.ListNodes(s.Name)
	if err != nil || len(nodes) > 0 {
		failures = append(failures, fmt.Errorf("after dev-down there are nodes %v: %w", nodes, err))
	}
	contexts := s.Command(ctx, "", s.Kubectl, "config", "get-contexts", "-o", "name")
	if contexts.Code != 0 || strings.TrimSpace(contexts.Stdout) != "" {
		failures = append(failures, fmt.Errorf("after dev-down there are contexts: %s", contexts))
	}
	err = filepath.WalkDir(s.StateHome(), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = fmt.Errorf("after dev-down there is %s", path)
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	if again := s.Down(ctx); again.Code != 0 || !strings.Contains(again.Stderr, "nothing to do") {
		failures = append(failures, fmt.Errorf("a second dev-down: %s", again))
	}
	return errors.Join(append(failures, err)...)
}

// findKubectl takes the one that KUBECTL names before the one on PATH.
func findKubectl() (string, error) {
	path, err := exec.LookPath(environment("KUBECTL", "kubectl"))
	if err != nil {
		return "", fmt.Errorf("find kubectl: %w", err)
	}
	return path, nil
}
