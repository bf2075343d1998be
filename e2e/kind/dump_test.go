//go:build e2e

package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
	folder, err := filepath.Abs(filepath.Join(parent, name))
	if err == nil {
		err = errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700))
	}
	if err != nil {
		log.Printf("keep the state of the cluster: %v", err)
		return
	}
	if s.Cluster == nil {
		return
	}
	for file, typed := range dumpCommands() {
		ran := s.try(ctx, strings.Fields(typed)...)
		keepFile(folder, file+".txt", "$ kubectl "+typed+"\n"+ran.Stdout+ran.Stderr)
	}
	s.dumpPods(ctx, folder)
	s.dumpEnvoy(ctx, folder)
	if err := s.provider.CollectLogs(s.Name, filepath.Join(folder, "nodes")); err != nil {
		log.Printf("keep the logs of the nodes: %v", err)
	}
	log.Printf("the state of the cluster is in %s", folder)
}

// dumpCommands are the arguments of kubectl by what they show.
func dumpCommands() map[string]string {
	const tlsgw = "gatewayclasses,gateways,listenersets,httproutes,grpcroutes,tlsroutes,backendtlspolicies,backendconfigpolicies,backends,gatewayparameters"
	return map[string]string{
		"all":            "get all,endpointslices,configmaps,leases,poddisruptionbudgets,networkpolicies -A -o wide",
		"events":         "get events -A --sort-by=.lastTimestamp",
		"gateway-api":    "get " + tlsgw + " -A -o yaml",
		"describe-pods":  "describe pods -A",
		"describe-nodes": "describe nodes",
		"deployments":    "get deployments,services -A -o yaml",
		"secrets":        "get secrets -A",
	}
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
		keepFile(folder, name+".log", s.try(ctx, args...).Stdout)
		if before := s.try(ctx, append(args, "--previous")...); before.Code == 0 {
			keepFile(folder, name+".previous.log", before.Stdout)
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
			keepFile(folder, words[0]+"-"+words[1]+"-"+strings.TrimSuffix(page, "?include_eds")+".txt", text)
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

func keepFile(folder, name, text string) {
	if err := os.WriteFile(filepath.Join(folder, name), []byte(withoutKeys(text)), 0o600); err != nil {
		log.Printf("keep %s: %v", name, err)
	}
}

// withoutKeys takes private keys out of a text: PEM, on several lines or with
// escaped ends of lines, and what Envoy calls one.
func withoutKeys(text string) string {
	pem := regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	field := regexp.MustCompile(`("private_key": \{\s*"inline_(?:bytes|string)": ")[^"]*"`)
	return field.ReplaceAllString(pem.ReplaceAllString(text, "[private key]"), `${1}[private key]"`)
}

func TestKeysAreTakenOut(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0"
	for name, text := range map[string]string{
		"PEM":       "a\n-----BEGIN EC PRIVATE KEY-----\n" + secret + "\n-----END EC PRIVATE KEY-----\nb",
		"escaped":   `a "-----BEGIN PRIVATE KEY-----\n` + secret + `\n-----END PRIVATE KEY-----\n" b`,
		"cut off":   "a b\n-----BEGIN PRIVATE KEY-----\n" + secret,
		"of Envoy":  "a \"private_key\": {\n  \"inline_bytes\": \"" + secret + "\"\n} b",
		"of Envoy2": `a "private_key": {"inline_string": "` + secret + `"} b`,
	} {
		got := withoutKeys(text)
		if strings.Contains(got, secret) || !strings.Contains(got, "a") || !strings.Contains(got, "b") {
			t.Errorf("%s: withoutKeys() = %q", name, got)
		}
	}
}
