package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
	outputYAML  = "yaml"

	maxRequests = 100
)

// flags are the command line, unchecked.
type flags struct {
	allNamespaces, verbose, allowInsecure bool
	requests                              int
	host, path, method, expect            string
	output, gateway                       string
	timeout                               time.Duration
}

func newFlags() *flags {
	return &flags{requests: 3, output: outputTable, timeout: 30 * time.Second}
}

func (f *flags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVarP(&f.allNamespaces, "all-namespaces", "A", f.allNamespaces, "verify the policies of all namespaces")
	fs.IntVar(&f.requests, "requests", f.requests, fmt.Sprintf("requests to send to each backend, 1 to %d", maxRequests))
	fs.StringVar(&f.host, "host", f.host, "Host header (default: the route's hostname)")
	fs.StringVar(&f.path, "path", f.path, "request path (default: the route's path match)")
	fs.StringVar(&f.method, "method", f.method, "request method (default: the route's method match, else GET)")
	fs.StringVar(&f.expect, "expect-status", f.expect, "expected status codes, as 200 or 2xx,404 (default 2xx,3xx)")
	fs.StringVarP(&f.output, "output", "o", f.output, "table, wide, json or yaml")
	fs.BoolVarP(&f.verbose, "verbose", "v", f.verbose, "print the equivalent curl command and the exchange to stderr")
	fs.DurationVar(&f.timeout, "timeout", f.timeout, "time limit for each backend")
	fs.BoolVar(&f.allowInsecure, "allow-insecure", f.allowInsecure, "accept a connection that verifies nothing, with a warning")
	fs.StringVar(&f.gateway, "gateway", f.gateway, "NAMESPACE/NAME of the gateway to go through, where there are several")
}

// outputOf is the output that args ask for. Where a flag is wrong, those after it
// have not been read.
func outputOf(args []string) string {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.ParseErrorsAllowlist.UnknownFlags = true
	set.Usage = func() {}
	output := set.StringP("output", "o", outputTable, "")
	_ = set.Parse(args) // of the others nothing is asked
	return *output
}

// options checks the flags; every error is one of usage.
func (f *flags) options(args []string, streams genericiooptions.IOStreams) (*Options, error) {
	o := &Options{
		Streams: streams, Now: time.Now, AllNamespaces: f.allNamespaces,
		Requests: f.requests, Host: f.host, Path: f.path, Method: strings.ToUpper(f.method),
		Output: f.output, Verbose: f.verbose, Timeout: f.timeout, AllowInsecure: f.allowInsecure,
		Color: colored(streams.Out),
	}
	if err := f.check(args); err != nil {
		return nil, err
	}
	for _, arg := range args {
		target, err := ParseTarget(arg)
		if err != nil {
			return nil, err
		}
		o.Targets = append(o.Targets, target)
	}
	var err error
	if o.Expect, err = ParseStatuses(f.expect); err != nil {
		return nil, err
	}
	if f.gateway != "" {
		namespace, name, found := strings.Cut(f.gateway, "/")
		if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
			return nil, fail.Usage("--gateway %q is not NAMESPACE/NAME", f.gateway).
				WithFix("kubectl get gateways -A")
		}
		o.GatewayNamespace, o.GatewayName = namespace, name
	}
	return o, nil
}

func (f *flags) check(args []string) error {
	switch {
	case f.requests < 1 || f.requests > maxRequests:
		return fail.Usage("--requests %d is not between 1 and %d", f.requests, maxRequests)
	case f.timeout <= 0:
		return fail.Usage("--timeout %s is not a positive duration", f.timeout).WithFix("--timeout 30s")
	case f.path != "" && !strings.HasPrefix(f.path, "/"):
		return fail.Usage("--path %q does not begin with /", f.path).WithFix("--path /%s", f.path)
	case strings.ContainsAny(f.host+f.path+f.method, " \t\r\n"):
		return fail.Usage("--host, --path and --method must not contain white space")
	case f.allNamespaces && len(args) > 0:
		return fail.Usage("targets and --all-namespaces exclude each other").WithFix("kubectl tlsgw verify -A")
	case f.output == "junit":
		return fail.Usage("-o junit is not supported yet").WithFix("-o json")
	case !slices.Contains([]string{outputTable, outputWide, outputJSON, outputYAML}, f.output):
		return fail.Usage("-o %q is not one of table, wide, json, yaml", f.output)
	}
	return nil
}

// Statuses are the expected status codes.
type Statuses struct {
	// ranges are inclusive.
	ranges [][2]int
	text   string
}

// ParseStatuses reads "200", "2xx" and lists of them; empty is 2xx,3xx.
func ParseStatuses(text string) (Statuses, error) {
	if text == "" {
		text = "2xx,3xx"
	}
	s := Statuses{text: text}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ok := statusRange(strings.ToLower(strings.TrimSpace(part)))
		if !ok {
			return Statuses{}, fail.Usage("--expect-status %q is neither a status code nor a class of them", part).
				WithFix("--expect-status 200    # or 2xx, or 200,404")
		}
		s.ranges = append(s.ranges, [2]int{low, high})
	}
	return s, nil
}

func statusRange(part string) (low, high int, ok bool) {
	if class, isClass := strings.CutSuffix(part, "xx"); isClass {
		n, err := strconv.Atoi(class)
		return n * 100, n*100 + 99, err == nil && n >= 1 && n <= 5
	}
	n, err := strconv.Atoi(part)
	return n, n, err == nil && n >= 100 && n <= 599
}

// Contains says whether status is expected.
func (s Statuses) Contains(status int) bool {
	return slices.ContainsFunc(s.ranges, func(r [2]int) bool { return status >= r[0] && status <= r[1] })
}

// String is what was asked for.
func (s Statuses) String() string { return s.text }
