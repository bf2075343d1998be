// Package apiservertest runs real API servers for tests. In goes what is
// special about one; out come the way to it, and its end when the test ends.
package apiservertest

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// assets is where envtest finds kube-apiserver and etcd.
const assets = "KUBEBUILDER_ASSETS"

// Start runs etcd and a kube-apiserver until the test ends, and returns the
// way in of an administrator whose requests are not held back. A test without
// their binaries fails.
func Start(tb testing.TB, environment *envtest.Environment) *rest.Config {
	tb.Helper()
	if os.Getenv(assets) == "" {
		tb.Fatalf("this test runs a real kube-apiserver: set %s to the folder of kube-apiserver and etcd, or run `make tools` and `make test`", assets)
	}
	ctrllog.SetLogger(logr.Discard())
	admin, err := environment.Start()
	if err != nil {
		tb.Fatalf("start a kube-apiserver: %v", err)
	}
	tb.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			tb.Errorf("stop the kube-apiserver: %v", err)
		}
	})
	admin.QPS = -1
	return admin
}

// WithCRDs is, for Start, an API server with all kinds that the controller
// reads.
func WithCRDs(tb testing.TB) *envtest.Environment {
	tb.Helper()
	definitions, err := templates.CRDs(templates.Standard)
	if err != nil {
		tb.Fatal(err)
	}
	return &envtest.Environment{CRDs: definitions}
}

// User is the way in of a user without rights, to an API server that runs.
func User(tb testing.TB, environment *envtest.Environment, name string) *rest.Config {
	tb.Helper()
	user, err := environment.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		tb.Fatalf("make user %s: %v", name, err)
	}
	return user.Config()
}
