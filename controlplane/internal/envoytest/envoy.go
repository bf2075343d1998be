// Package envoytest runs real Envoys, TLS backends and certificates for tests.
// In go a bootstrap and a test; out come a running Envoy, its statistics and
// its end when the test ends.
package envoytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// EnvBinary is the environment variable with the path of the envoy binary.
const EnvBinary = "TLSGW_ENVOY"

const (
	startTimeout = 20 * time.Second
	pollInterval = 10 * time.Millisecond
	logTail      = 8 * 1024
)

// Binary is the path of the envoy binary: from TLSGW_ENVOY, else PATH. A test
// without one fails.
func Binary(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv(EnvBinary)
	if path == "" {
		path = "envoy"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		tb.Fatalf("this test runs a real Envoy: set %s to its path, or run `make tools` and `make test`: %v", EnvBinary, err)
	}
	return found
}

// Envoy is a running proxy.
type Envoy struct {
	admin   string
	logFile string
	process *exec.Cmd
	exited  chan struct{}
	client  *http.Client
}

// Start runs Envoy with a bootstrap whose admin interface is on the given
// port of loopback. It ends with the test.
func Start(tb testing.TB, bootstrap []byte, adminPort uint16) *Envoy {
	tb.Helper()
	directory := tb.TempDir()
	config := filepath.Join(directory, "bootstrap.json")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		tb.Fatalf("write the bootstrap: %v", err)
	}
	e := &Envoy{
		admin:   "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(int(adminPort))),
		logFile: filepath.Join(directory, "envoy.log"),
		exited:  make(chan struct{}),
		client:  &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	log, err := os.Create(e.logFile)
	if err != nil {
		tb.Fatalf("make the log file: %v", err)
	}
	defer func() { _ = log.Close() }()
	e.process = exec.CommandContext(context.WithoutCancel(tb.Context()), Binary(tb), "--config-path", config, "--disable-hot-restart", "--concurrency", "2",
		"--log-level", "info", "--component-log-level", "upstream:warning,main:warning,misc:error")
	e.process.Stdout, e.process.Stderr = log, log
	e.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.process.Start(); err != nil {
		tb.Fatalf("start Envoy: %v", err)
	}
	go func() {
		_ = e.process.Wait()
		close(e.exited)
	}()
	tb.Cleanup(func() { e.stop(tb) })
	return e
}

func (e *Envoy) stop(tb testing.TB) {
	tb.Helper()
	_ = e.process.Process.Kill()
	<-e.exited
	if tb.Failed() {
		tb.Logf("the end of Envoy's log:\n%s", e.Log(tb))
	}
}

// Log is the end of what Envoy has logged.
func (e *Envoy) Log(tb testing.TB) string {
	tb.Helper()
	log, err := os.ReadFile(e.logFile)
	if err != nil {
		tb.Errorf("read Envoy's log: %v", err)
	}
	if len(log) > logTail {
		log = log[len(log)-logTail:]
	}
	return string(log)
}

// WaitReady waits until Envoy serves its first configuration.
func (e *Envoy) WaitReady(tb testing.TB) {
	tb.Helper()
	Eventually(tb, startTimeout, func() error {
		select {
		case <-e.exited:
			tb.Fatalf("Envoy has exited:\n%s", e.Log(tb))
		default:
		}
		_, err := e.get(tb.Context(), "/ready")
		return err
	})
}

// Admin gives the answer of the admin interface at a path.
func (e *Envoy) Admin(tb testing.TB, path string) []byte {
	tb.Helper()
	body, err := e.get(tb.Context(), path)
	if err != nil {
		tb.Fatalf("ask Envoy: %v", err)
	}
	return body
}

// Stats are the counters and gauges whose names match a regular expression.
func (e *Envoy) Stats(tb testing.TB, filter string) map[string]uint64 {
	tb.Helper()
	body := e.Admin(tb, "/stats?format=json&filter="+url.QueryEscape(filter))
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		tb.Fatalf("decode Envoy's stats: %v", err)
	}
	stats := map[string]uint64{}
	for _, stat := range answer.Stats {
		if value, err := strconv.ParseUint(string(stat.Value), 10, 64); err == nil {
			stats[stat.Name] = value
		}
	}
	return stats
}

// Stat is one counter or gauge; zero if Envoy has none of this name.
func (e *Envoy) Stat(tb testing.TB, name string) uint64 {
	tb.Helper()
	return e.Stats(tb, "^"+strings.ReplaceAll(name, ".", `\.`)+"$")[name]
}

func (e *Envoy) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.admin+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d: %s", path, response.StatusCode, body)
	}
	return body, nil
}

// FreePort gives a port of 127.0.0.1 that nobody listens on. It is below those
// that the kernel gives to whoever asks for any: one of these could be taken
// by a connection before the test listens on it.
func FreePort(tb testing.TB) uint16 {
	tb.Helper()
	const lowest, highest, attempts = 12000, 32000, 100
	var err error
	for range attempts {
		port := uint16(lowest + rand.IntN(highest-lowest)) //nolint:gosec // Nothing secret, and it fits.
		var listener net.Listener
		listener, err = (&net.ListenConfig{}).Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	tb.Fatalf("find a free port: %v", err)
	return 0
}

// Eventually polls until f succeeds, and fails the test with its last error
// after the timeout.
func Eventually(tb testing.TB, timeout time.Duration, f func() error) {
	tb.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("not within %s: %v", timeout, err)
		}
		<-tick.C
	}
}
