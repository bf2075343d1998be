//go:build e2e

package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/image"
)

// site is the external host of the guide, image that of its stand-in.
const (
	site      = "httpbin.org"
	siteImage = "tlsgw.dev/e2e/httpbin:test"
)

// standIn starts the stand-in for httpbin.org and lets cluster DNS answer for
// it, until the test ends. It is in a namespace that no route and no policy
// names.
func (s *suite) standIn(t *testing.T) {
	t.Helper()
	const namespace = "outside"
	s.backend(t, namespace)
	s.resolve(t, site, s.kubectl(t, "get", "service", "httpbin", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}"))
	s.rolledOut(t, namespace, "httpbin")
}

// backend starts a server in a namespace that is made for it, with a
// certificate for httpbin.org.
func (s *suite) backend(t *testing.T, namespace string) {
	t.Helper()
	leaf, err := s.certs.Leaf(s.site, pki.Spec{CommonName: site, DNSNames: []string{site}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	s.load(t, siteImage, "./e2e/kind/httpbin")
	s.apply(t, "httpbin", "NAMESPACE", namespace, "IMAGE", siteImage, "CERTIFICATE", quoted(leaf.ChainPEM()), "KEY", quoted(key))
}

// quoted is a YAML string on one line.
func quoted(text []byte) string {
	line, err := json.Marshal(string(text))
	if err != nil {
		panic(fmt.Sprintf("marshal a string: %v", err)) // cannot happen
	}
	return string(line)
}

// resolve lets cluster DNS answer for a name, until the test ends.
func (s *suite) resolve(t *testing.T, host, address string) {
	t.Helper()
	var config struct{ Data map[string]string }
	s.object(t, &config, "configmap", "coredns", "-n", "kube-system")
	before := config.Data["Corefile"]
	const server = ".:53 {\n"
	if !strings.Contains(before, server) {
		t.Fatalf("the Corefile has no %q:\n%s", server, before)
	}
	s.cleanup(t, func(ctx context.Context) { s.setCorefile(ctx, t, before) })
	hosts := fmt.Sprintf("    hosts {\n        %s %s\n        fallthrough\n    }\n", address, host)
	s.setCorefile(t.Context(), t, strings.Replace(before, server, server+hosts, 1))
	s.rolledOut(t, "kube-system", "coredns")
}

func (s *suite) setCorefile(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	patch := fmt.Sprintf(`{"data":{"Corefile":%s}}`, quoted([]byte(text)))
	for _, args := range [][]string{
		{"patch", "configmap", "coredns", "-n", "kube-system", "--type=merge", "-p", patch},
		{"rollout", "restart", "deployment/coredns", "-n", "kube-system"},
	} {
		if ran := s.try(ctx, args...); ran.Code != 0 {
			t.Fatal(ran)
		}
	}
}

// load builds a program of this module, makes an image of it and loads that
// into the nodes.
func (s *suite) load(t *testing.T, reference, program string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := devcluster.Build(t.Context(), file, program); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := image.Archive(content, reference)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := s.provider.ListInternalNodes(s.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if err := nodeutils.LoadImageArchive(node, bytes.NewReader(archive)); err != nil {
			t.Fatalf("load %s into %s: %v", reference, node, err)
		}
	}
}
