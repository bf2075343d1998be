//go:build e2e

package kind

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/dump"
)

const (
	// maxDumps bounds how many failures of one run are documented.
	maxDumps = 3
	// dumpTimeout bounds the time for one of them.
	dumpTimeout = 3 * time.Minute
)

// dumpFailed keeps the state of the cluster when the test has failed; the
// first call for a test is the one that counts.
func (s *suite) dumpFailed(t *testing.T) {
	t.Helper()
	name := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	if !t.Failed() || len(s.dumped) >= maxDumps || s.dumped[name] {
		return
	}
	s.dumped[name] = true
	s.dump(context.WithoutCancel(t.Context()), name)
}

// dump writes into a folder what a failure may be explained by. No Secret is
// read for it, and keys that a log or a configuration may hold are taken out.
func (s *suite) dump(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, dumpTimeout)
	defer cancel()
	parent := environment("E2E_ARTIFACTS", filepath.Join(os.TempDir(), "tlsgw-e2e-artifacts"))
	folder, err := dump.Folder(parent, name)
	if err != nil {
		log.Print(err)
		return
	}
	if s.Cluster == nil {
		return
	}
	if s.Client == nil { // dev-up has failed before kubectl was told of the cluster
		if err := s.provider.ExportKubeConfig(s.Name, s.Kubeconfig(), false); err != nil {
			log.Printf("reach the cluster: %v", err)
		}
	}
	commands, err := dump.Commands()
	if err != nil {
		log.Print(err)
	}
	for file, typed := range commands {
		ran := s.try(ctx, strings.Fields(typed)...)
		dump.Keep(folder, file+".txt", "$ kubectl "+typed+"\n"+ran.Stdout+ran.Stderr)
	}
	s.dumpPods(ctx, folder)
	s.dumpEnvoy(ctx, folder)
	if err := s.provider.CollectLogs(s.Name, filepath.Join(folder, "nodes")); err != nil {
		log.Printf("keep the logs of the nodes: %v", err)
	}
	log.Printf("the state of the cluster is in %s", folder)
}

// dumpPods keeps the logs of all pods, and those of their containers before
// the last restart.
func (s *suite) dumpPods(ctx context.Context, folder string) {
	const each = `{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`
	pods := s.try(ctx, "get", "pods", "-A", "-o", "jsonpath="+each)
	for line := range strings.Lines(pods.Stdout) {
		words := strings.Fields(line)
		if len(words) != 2 || words[0] == "kube-system" {
			continue // those are with the node's
		}
		name := words[0] + "-" + words[1]
		args := []string{"logs", "-n", words[0], words[1], "--all-containers", "--prefix", "--tail=2000"}
		dump.Keep(folder, name+".log", s.try(ctx, args...).Stdout)
		if before := s.try(ctx, append(args, "--previous")...); before.Code == 0 {
			dump.Keep(folder, name+".previous.log", before.Stdout)
		}
	}
}

// dumpEnvoy keeps what each proxy runs and counts.
func (s *suite) dumpEnvoy(ctx context.Context, folder string) {
	const each = `{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`
	pods := s.try(ctx, "get", "pods", "-A", "-l", "gateway.networking.k8s.io/gateway-name", "-o", "jsonpath="+each)
	for line := range strings.Lines(pods.Stdout) {
		words := strings.Fields(line)
		if len(words) != 2 {
			continue
		}
		admin, err := s.startForward(ctx, words[0], "pod/"+words[1], ":19000")
		if err != nil {
			log.Printf("keep what %s runs: %v", words[1], err)
			continue
		}
		for _, page := range []string{"config_dump?include_eds", "stats", "clusters", "server_info", "certs"} {
			text, err := whole(ctx, admin.url+"/"+page)
			if err != nil {
				text = err.Error()
			}
			dump.Keep(folder, words[0]+"-"+words[1]+"-"+strings.TrimSuffix(page, "?include_eds")+".txt", text)
		}
		admin.stop()
	}
}

// whole reads all of a page.
func whole(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("ask Envoy: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask Envoy: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}
