//go:build e2e

package kind

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// guideDir has the manifests of the guide.
const guideDir = "../guide"

// try runs kubectl, which may fail.
func (s *suite) try(ctx context.Context, args ...string) devcluster.Result {
	return s.Command(ctx, "", s.Kubectl, args...)
}

// kubectl runs kubectl, which has to succeed, and returns what it prints.
func (s *suite) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	ran := s.try(t.Context(), args...)
	if ran.Code != 0 {
		t.Fatal(ran)
	}
	return strings.TrimSpace(ran.Stdout)
}

// command runs a command as a person types it, words separated by spaces.
func (s *suite) command(t *testing.T, typed string) string {
	t.Helper()
	words := strings.Fields(typed)
	if words[0] != "kubectl" {
		t.Fatalf("%q is no command of kubectl", typed)
	}
	return s.kubectl(t, words[1:]...)
}

// applyGuide applies manifests of the guide as they are.
func (s *suite) applyGuide(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		s.applyFile(t, filepath.Join(guideDir, name+".yaml"))
	}
}

// applyFile applies a file by kubectl, and deletes what is in it with the
// test.
func (s *suite) applyFile(t *testing.T, file string) {
	t.Helper()
	absolute, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	s.cleanup(t, func(ctx context.Context) {
		if gone := s.try(ctx, "delete", "--ignore-not-found", "-f", absolute); gone.Code != 0 {
			t.Error(gone)
		}
	})
	s.kubectl(t, "apply", "-f", absolute)
}

// apply applies testdata/NAME.yaml, with values in pairs, and deletes it with
// the test.
func (s *suite) apply(t *testing.T, name string, pairs ...string) {
	t.Helper()
	values := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	objects, err := devcluster.Manifests(filepath.Join("testdata", name+".yaml"), values)
	if err != nil {
		t.Fatal(err)
	}
	s.applyObjects(t, objects...)
}

// applyObjects is apply of objects.
func (s *suite) applyObjects(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	var text bytes.Buffer
	for _, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "---\n%s", document)
	}
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.applyFile(t, file)
}

// object reads an object by kubectl, by the words after get.
func (s *suite) object(t *testing.T, into any, words ...string) {
	t.Helper()
	text := s.kubectl(t, append(append([]string{"get"}, words...), "-o", "json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("read kubectl get %s: %v", strings.Join(words, " "), err)
	}
}

// names are those of all objects of the kinds, in all namespaces, as
// KIND NAMESPACE/NAME, sorted.
func (s *suite) names(t *testing.T, kinds string, more ...string) []string {
	t.Helper()
	const each = `{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\n"}{end}`
	return lines(s.kubectl(t, append([]string{"get", kinds, "-A", "-o", "jsonpath=" + each}, more...)...))
}

// lines are the lines of a text that are not empty, sorted.
func lines(text string) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	})
}

// forward is a kubectl port-forward under way.
type forward struct {
	// url is where the port answers on this machine.
	url  string
	stop func()
}

// forwardTo runs kubectl port-forward until the test ends. The port is as for
// kubectl: PORT, :PORT for any of this machine, or LOCAL:PORT.
func (s *suite) forwardTo(t *testing.T, namespace, target, port string) forward {
	t.Helper()
	began, err := s.startForward(context.WithoutCancel(t.Context()), namespace, target, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(began.stop)
	return began
}

// forwardTimeout is beyond what a port-forward takes to begin.
const forwardTimeout = 20 * time.Second

func (s *suite) startForward(ctx context.Context, namespace, target, port string) (forward, error) {
	command := exec.CommandContext(ctx, s.Kubectl, "port-forward", target, "-n", namespace, port)
	command.Env = s.Env()
	command.Dir = s.Dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return forward{}, fmt.Errorf("port-forward: %w", err)
	}
	if err := command.Start(); err != nil {
		return forward{}, fmt.Errorf("port-forward: %w", err)
	}
	address := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reader := bufio.NewScanner(out)
		for reader.Scan() {
			if found := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(reader.Text()); found != "" {
				select {
				case address <- "http://" + found:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	stop := sync.OnceFunc(func() {
		_ = command.Process.Kill()
		<-ended
		_ = command.Wait()
	})
	patience := time.NewTimer(forwardTimeout)
	defer patience.Stop()
	select {
	case found := <-address:
		return forward{url: found, stop: stop}, nil
	case <-ended:
		err = errors.New("it ended")
	case <-patience.C:
		err = errors.New("it says nothing")
	}
	stop()
	return forward{}, fmt.Errorf("port-forward to %s in %s: %w: %s", target, namespace, err, stderr.String())
}

// stats reads the statistics of a proxy whose names match the filter, a
// regular expression.
func (f forward) stats(ctx context.Context, filter string) (map[string]uint64, error) {
	answer, err := traffic.Get(ctx, f.url+"/stats?format=json&filter="+url.QueryEscape(filter), "")
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for statistics: %w", err)
	}
	return devcluster.ParseStats([]byte(answer.Body))
}
