package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// machine notes on what the results were taken, without its paths.
func (b *bench) machine(ctx context.Context, c *devcluster.Cluster) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return fmt.Errorf("measure the binary: %w", err)
	}
	b.result("size of the binary", "%.1f MB", float64(info.Size())/1e6)
	body, err := c.Admin(ctx, "/server_info", nil)
	if err != nil {
		return err
	}
	server, err := apiServerVersion(ctx, c)
	if err != nil {
		return err
	}
	b.fact("date", "%s", time.Now().UTC().Format(time.DateOnly))
	b.fact("machine", "%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), memory())
	b.fact("Go", "%s", strings.TrimPrefix(runtime.Version(), "go"))
	b.fact("Envoy", "%s", firstMatch(string(body), `"version":\s*"[0-9a-f]+/([0-9.]+)/`))
	b.fact("kube-apiserver", "%s", server)
	return nil
}

func apiServerVersion(ctx context.Context, c *devcluster.Cluster) (string, error) {
	parts, err := c.Parts()
	if err != nil {
		return "", err
	}
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", parts["kube-apiserver"].PID))
	if err != nil {
		return "", fmt.Errorf("find kube-apiserver: %w", err)
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output() // #nosec G204 -- the one that runs
	if err != nil {
		return "", fmt.Errorf("ask kube-apiserver for its version: %w", err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), "Kubernetes ")), nil
}

func memory() string {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "memory unknown"
	}
	var kib float64
	if _, err := fmt.Sscanf(firstMatch(string(info), `MemTotal:\s*(\d+) kB`), "%g", &kib); err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GiB", math.Round(kib/(1<<20)))
}

func firstMatch(text, pattern string) string {
	if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return "unknown"
}

// markdown is the file that is written.
func (b *bench) markdown() []byte {
	var out bytes.Buffer
	out.WriteString("# Speed and memory\n\nWritten by `make bench`, with a real API server and Envoy on one machine.\n")
	for _, table := range []struct {
		head row
		rows []row
	}{{row{"measure", "result"}, b.results}, {row{"taken on", ""}, b.facts}} {
		fmt.Fprintf(&out, "\n| %s | %s |\n| --- | --- |\n", table.head.name, table.head.value)
		for _, r := range table.rows {
			fmt.Fprintf(&out, "| %s | %s |\n", r.name, r.value)
		}
	}
	return out.Bytes()
}

func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func p50p90(all []time.Duration) string {
	return fmt.Sprintf("p50 %s, p90 %s", milliseconds(quantile(all, 0.5)), milliseconds(quantile(all, 0.9)))
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
