package cluster_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*cluster.Options)
		want   string // part of the message; "" when it is fine
	}{
		"defaults":         {change: func(*cluster.Options) {}},
		"all":              {change: func(o *cluster.Options) { o.HTTPPort, o.GatewayAPI, o.Break = 80, "experimental", "ca" }},
		"name with slash":  {change: func(o *cluster.Options) { o.Name = "../x" }, want: `--name "../x"`},
		"empty name":       {change: func(o *cluster.Options) { o.Name = "" }, want: `--name ""`},
		"long name":        {change: func(o *cluster.Options) { o.Name = strings.Repeat("a", 41) }, want: "--name"},
		"port too large":   {change: func(o *cluster.Options) { o.HTTPPort = 65536 }, want: "--http-port 65536"},
		"negative port":    {change: func(o *cluster.Options) { o.AdminPort = -1 }, want: "--admin-port -1"},
		"one port twice":   {change: func(o *cluster.Options) { o.AdminPort, o.HTTPPort = 9000, 9000 }, want: "both 9000"},
		"channel":          {change: func(o *cluster.Options) { o.GatewayAPI = "beta" }, want: `--gateway-api "beta"`},
		"break":            {change: func(o *cluster.Options) { o.Break = "tls" }, want: `--break "tls"`},
		"break no sample":  {change: func(o *cluster.Options) { o.Break, o.NoSample = "ca", true }, want: "--no-sample"},
		"mended no sample": {change: func(o *cluster.Options) { o.Break, o.NoSample = "none", true }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := cluster.Options{Name: "tlsgw"}
			tt.change(&options)
			err := options.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Validate() = %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate() = %v, want %q in it", err, tt.want)
			}
			if e, ok := errors.AsType[*fail.Error](err); !ok || e.Code != fail.CodeUsage || e.Fix == "" {
				t.Errorf("Validate() = %#v, want wrong usage with a fix", err)
			}
		})
	}
}

func TestContextName(t *testing.T) {
	t.Parallel()
	if got := cluster.ContextName("local", "tlsgw"); got != "tlsgw-local" {
		t.Error(got)
	}
	if got := cluster.ContextName("local", "two"); got != "tlsgw-local-two" {
		t.Error(got)
	}
	if got := cluster.ContextName("kind", "tlsgw"); got != "kind-tlsgw" {
		t.Error(got)
	}
}

func TestFlagsOfOtherDriversAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options cluster.Options
		kind    bool // it is fine for kind
		local   bool
	}{
		"none":         {kind: true, local: true},
		"shared":       {options: cluster.Options{HTTPPort: 81, SystemCAFile: "x", Break: "ca"}, kind: true, local: true},
		"assets":       {options: cluster.Options{KubeAssets: "x"}, local: true},
		"Envoy":        {options: cluster.Options{Envoy: "x"}, local: true},
		"admin port":   {options: cluster.Options{AdminPort: 81}, local: true},
		"node image":   {options: cluster.Options{NodeImage: "x"}, kind: true},
		"image":        {options: cluster.Options{Image: "x"}, kind: true},
		"other binary": {options: cluster.Options{LinuxBinary: "x"}, kind: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for driver, fine := range map[string]bool{"kind": tt.kind, "local": tt.local} {
				err := tt.options.ValidateFor(driver)
				if (err == nil) != fine || err != nil && fail.Code(err) != fail.CodeUsage {
					t.Errorf("ValidateFor(%s) = %v", driver, err)
				}
			}
		})
	}
}

func TestDetailsAreVerbose(t *testing.T) {
	t.Parallel()
	for _, verbose := range []bool{false, true} {
		var out strings.Builder
		steps := cluster.NewSteps(&out, func(string) string { return "" }, time.Now)
		if verbose {
			steps.Verbose()
		}
		_ = steps.Run(t.Context(), "step", func(context.Context) (cluster.Done, error) {
			for _, text := range []string{"one", "one", "", "two"} {
				steps.Detail(text)
			}
			return cluster.Done{Nothing: true}, nil
		})
		want := ""
		if verbose {
			want = "   one\n   two\n"
		}
		if got := out.String(); got != want {
			t.Errorf("verbose %v: %q, want %q", verbose, got, want)
		}
	}
}

func TestStepsArePrinted(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	steps := cluster.NewSteps(&out, func(string) string { return "" }, func() time.Time { return clock })
	run := func(title string, d time.Duration, done cluster.Done, err error) {
		t.Helper()
		if got := steps.Run(t.Context(), title, func(context.Context) (cluster.Done, error) {
			clock = clock.Add(d)
			return done, err
		}); !errors.Is(got, err) {
			t.Errorf("Run() = %v, want %v", got, err)
		}
	}
	steps.Header("Creating %q", "tlsgw")
	run("unneeded", time.Second, cluster.Done{Nothing: true}, nil)
	run("etcd", 1840*time.Millisecond, cluster.Done{Title: "etcd v3"}, nil)
	run("gateway on localhost:8080 …", 0, cluster.Done{}, nil)
	run("sample", 61*time.Second, cluster.Done{}, errors.New("no"))
	want := `Creating "tlsgw"
 ✓ etcd v3                                                                   1.8s
 ✓ gateway on localhost:8080 …                                               0.0s
 ✗ sample                                                                   61.0s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// alone is a writer that one may write to at a time.
type alone struct {
	t       *testing.T
	writing atomic.Bool
}

func (a *alone) Write(p []byte) (int, error) {
	if !a.writing.CompareAndSwap(false, true) {
		a.t.Error("two write at the same time")
	}
	runtime.Gosched()
	a.writing.Store(false)
	return len(p), nil
}

// What happens beside a step has details while the steps print lines.
func TestStepsAndDetailsBesideThem(t *testing.T) {
	t.Parallel()
	steps := cluster.NewSteps(&alone{t: t}, func(string) string { return "" }, time.Now)
	steps.Verbose()
	const times = 2000
	var beside sync.WaitGroup
	beside.Go(func() {
		for i := range times {
			steps.Detail(strconv.Itoa(i))
		}
	})
	for range times {
		steps.Header("header")
		_ = steps.Run(t.Context(), "step", func(context.Context) (cluster.Done, error) { return cluster.Done{}, nil })
		steps.Say("line")
	}
	beside.Wait()
}

func TestCommand(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]cluster.Options{
		"": {},
		" --http-port 81 --gateway-api experimental --break ca --node-image n --image i --wait=false --retain": {
			HTTPPort: 81, GatewayAPI: "experimental", Break: "ca", NodeImage: "n", Image: "i", NoWait: true, Retain: true,
		},
		" --admin-port 82 --kubeconfig '/a b' --kube-assets /k --envoy /e --linux-binary /l --system-ca-file '/it'\\''s' --no-sample": {
			AdminPort: 82, Kubeconfig: "/a b", KubeAssets: "/k", Envoy: "/e", LinuxBinary: "/l", SystemCAFile: "/it's", NoSample: true,
		},
	} {
		options.Name = "dev"
		if got := options.Command("kind"); got != "kubectl tlsgw dev-up --driver kind --name dev"+want {
			t.Errorf("Command() = %s, want %s", got, want)
		}
	}
}
