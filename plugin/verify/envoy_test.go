package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// envoyBinary is the real Envoy; a test without one fails.
func envoyBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TLSGW_ENVOY"); path != "" {
		return path
	}
	path, err := exec.LookPath("envoy")
	if err != nil {
		t.Fatal("no envoy in TLSGW_ENVOY or PATH: make tools provides one, make test sets it")
	}
	return path
}

type object = map[string]any

// runningEnvoy is one Envoy with a plain HTTP listener.
type runningEnvoy struct {
	admin string
	port  int32
}

// startEnvoy runs Envoy with one virtual host and one cluster for each
// scenario, until the test ends.
func startEnvoy(t *testing.T, scenarios []*scenario) runningEnvoy {
	t.Helper()
	var hosts, clusters, secrets []object
	for _, s := range scenarios {
		if s.noCluster {
			continue
		}
		hosts = append(hosts, object{"name": s.name, "domains": []string{s.host()},
			"routes": []object{{"match": object{"prefix": "/"}, "route": object{"cluster": s.clusterName()}}}})
		clusters = append(clusters, s.cluster())
		secrets = append(secrets, s.secret())
	}
	bootstrap := object{
		"admin": object{"address": socket(0)},
		"static_resources": object{
			"listeners": []object{{"name": "http", "address": socket(0), "filter_chains": []object{{"filters": []object{connectionManager(hosts)}}}}},
			"clusters":  clusters,
			"secrets":   secrets,
		},
	}
	return launch(t, bootstrap, len(clusters))
}

func socket(port int32) object {
	return object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}
}

func connectionManager(hosts []object) object {
	return object{"name": "envoy.filters.network.http_connection_manager", "typed_config": object{
		"@type":        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix":  "http",
		"route_config": object{"name": "routes", "ignore_port_in_host_matching": true, "virtual_hosts": hosts},
		"http_filters": []object{{"name": "envoy.filters.http.router", "typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}},
	}}
}

func launch(t *testing.T, bootstrap object, clusters int) runningEnvoy {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	path, adminPath := filepath.Join(dir, "envoy.json"), filepath.Join(dir, "admin")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	// The context of a test ends before its clean-up, and kills.
	cmd := exec.CommandContext(t.Context(), envoyBinary(t), "-c", path, "--admin-address-path", adminPath,
		"--concurrency", "2", "-l", "error", "--use-dynamic-base-id")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })

	e := runningEnvoy{}
	poll(t, 20*time.Second, func() error {
		content, err := os.ReadFile(adminPath)
		if err != nil {
			return fmt.Errorf("%w; log: %s", err, log.String())
		}
		e.admin = strings.TrimSpace(string(content))
		return e.listening(t, clusters)
	})
	return e
}

// listening finds the listener's port.
func (e *runningEnvoy) listening(t *testing.T, clusters int) error {
	t.Helper()
	var answer struct {
		Listeners []struct {
			Address struct {
				Socket struct {
					Port int32 `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	body, err := fetch(t, "http://"+e.admin+"/listeners?format=json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if len(answer.Listeners) != 1 || answer.Listeners[0].Address.Socket.Port == 0 {
		return fmt.Errorf("no listener for %d clusters yet: %s", clusters, body)
	}
	e.port = answer.Listeners[0].Address.Socket.Port
	return nil
}

func fetch(t *testing.T, url string) ([]byte, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

func poll(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %v", limit, err)
		case <-tick.C:
		}
	}
}
