//go:build e2e

package local

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/scaffold/pki"
)

// suite is what all tests share.
type suite struct {
	*devcluster.Cluster
	certs *pki.Maker
	// public is in the bundle that Envoy takes as that of its system, private
	// is known only to who is given it.
	public, private *pki.Pair
}

// TestLocal runs all tests against one dev cluster.
func TestLocal(t *testing.T) {
	s := start(t)
	tests := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		// One after the other, because they measure.
		{"PolicyDeletedAndCreatedAgain", testPolicyDeletedAndCreatedAgain},
		{"PolicyChanged", testPolicyChanged},
		{"PolicyBroken", testPolicyBroken},
		{"AppliedInARow", testAppliedInARow},
		{"NewRoute", testNewRoute},
		{"CARotation", testCARotation},
		{"ControllerKilled", testControllerKilled},
		{"DevCluster", testDevCluster},
		// Side by side.
		{"GuideInCluster", testGuideInCluster},
		{"GuideExternal", testGuideExternal},
		{"Zoo", testZoo},
		{"Originate", testOriginate},
		{"Verify", testVerify},
		{"BadInput", testBadInput},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, s) })
	}
}

// start builds the binary, makes the cluster, and ends it with the test.
func start(t *testing.T) *suite {
	t.Helper()
	s := &suite{certs: pki.NewMaker(time.Now, rand.Reader)}
	s.public = pair(t)(s.certs.CA(pki.Spec{CommonName: "Public Test CA"}))
	s.private = pair(t)(s.certs.CA(pki.Spec{CommonName: "Private Test CA"}))

	dir := t.TempDir()
	systemCA := filepath.Join(dir, "system-ca.pem")
	if err := os.WriteFile(systemCA, s.public.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := devcluster.New(t.Context(), devcluster.Options{
		Binary: binary(t), Name: "e2e-" + strconv.Itoa(os.Getpid()), Dir: dir, SystemCAFile: systemCA,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = cluster
	guard, err := cluster.Guard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.dump(t)
		}
		// The context of a test has ended when its clean-up runs.
		if down := cluster.Down(context.WithoutCancel(t.Context())); down.Code != 0 {
			t.Error(down)
		}
		guard.Dismiss()
	})
	up, err := cluster.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(up)
	return s
}

// binary builds the plugin unless there is one to test.
func binary(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("TLSGW_BINARY"); given != "" {
		absolute, err := filepath.Abs(given)
		if err != nil {
			t.Fatal(err)
		}
		return absolute
	}
	built := filepath.Join(t.TempDir(), "kubectl-tlsgw")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", built, "./cmd/kubectl-tlsgw")
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	return built
}

// dump logs what a failure may be explained by; nothing of it holds a key.
func (s *suite) dump(t *testing.T) {
	t.Helper()
	logs, err := s.Logs()
	if err != nil {
		t.Log(err)
	}
	for name, text := range logs {
		t.Logf("end of %s:\n%s", name, text)
	}
	ctx := context.WithoutCancel(t.Context())
	stats, err := s.Stats(ctx, `^(cluster\.(kube|backend)_.*\.(ssl\.|upstream_(cx|rq)_(total|connect_fail|[45]xx))|cluster_manager\.|listener_manager\.|control_plane\.|http\..*\.rds\.)`)
	if err != nil {
		t.Log(err)
		return
	}
	for name, value := range stats {
		if value == 0 {
			delete(stats, name)
		}
	}
	t.Logf("statistics of Envoy: %v", stats)
}

// pair takes the certificate out of what a pki.Maker returns.
func pair(t *testing.T) func(*pki.Pair, error) *pki.Pair {
	t.Helper()
	return func(p *pki.Pair, err error) *pki.Pair {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}
