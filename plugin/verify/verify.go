// Package verify is the verb that proves TLS origination: for each policy it
// gathers the objects and their status, Envoy's live configuration and
// counters, sends requests through the gateway, reads the counters again, and
// on failure shakes hands with the backend directly. In go flags and targets;
// out come a report of package report on stdout and an exit code.
//
// Gathering is here, judging in package diagnose, printing in package report.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

const long = `Prove that the gateway speaks verified TLS to its backends.

For each TLS-originating policy in the namespace, or for the TARGETs given, verify checks that
the policy is accepted, its CA is good, a route leads to the backend and the gateway runs the
settings; then it sends requests through the gateway and reads Envoy's handshake counters before
and after. TARGET is svc/NAME, backend/NAME, host/NAME[:PORT], backendtlspolicy/NAME or
backendconfigpolicy/NAME.

Exit codes: 0 all Verified; 1 another verdict; 2 wrong usage; 3 the cluster, the gateway or Envoy
could not be reached.`

const examples = `  kubectl tlsgw verify
  kubectl tlsgw verify svc/nginx -v
  kubectl tlsgw verify backend/httpbin-org --path /get --expect-status 200
  kubectl tlsgw verify -A -o json`

// NewCommand is the verb. args are those of the whole command line.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams, args []string) *cobra.Command {
	f := newFlags()
	cmd := &cobra.Command{
		Use:     "verify [TARGET...]",
		Short:   "Send requests through the gateway and read Envoy's handshake counters",
		Long:    long,
		Example: examples,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := f.options(args, streams)
			if err != nil {
				return (&Options{Streams: streams, Output: f.output}).failed(err)
			}
			return options.connectAndRun(cmd.Context(), flags)
		},
	}
	cmd.Flags().SortFlags = false
	f.register(cmd)
	kube.AddFlags(flags, cmd.Flags())
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		usage := fail.Usage("%w", err).WithFix("%s --help", cmd.CommandPath())
		return (&Options{Streams: streams, Output: outputOf(args)}).failed(usage)
	})
	return cmd
}

// Options are what Run needs.
type Options struct {
	Streams genericiooptions.IOStreams
	Clients *kube.Clients
	// Now is the clock that certificates are judged by.
	Now func() time.Time
	// Targets to verify; none: every policy of the namespace.
	Targets       []TargetRef
	AllNamespaces bool
	// Requests is how many are sent to each target.
	Requests int
	// Host, Path and Method override what the route says.
	Host, Path, Method string
	Expect             Statuses
	// Output is table, wide, json or yaml.
	Output  string
	Verbose bool
	// Timeout of each target.
	Timeout       time.Duration
	AllowInsecure bool
	// GatewayNamespace and GatewayName choose among several Gateways.
	GatewayNamespace, GatewayName string
	Color                         bool
}

func (o *Options) connectAndRun(ctx context.Context, flags *genericclioptions.ConfigFlags) error {
	clients, err := kube.New(flags)
	if err != nil {
		return o.failed(err)
	}
	o.Clients = clients
	return o.Run(ctx)
}

// Run verifies and prints. Its error carries the exit code; a verdict other
// than Verified has been printed when it returns.
func (o *Options) Run(ctx context.Context) error {
	results, err := o.verify(ctx)
	if err != nil {
		return o.failed(o.Clients.Explain(err))
	}
	if err := o.print(report.New(results)); err != nil {
		return err
	}
	return exit(results)
}

// failed keeps stdout parseable when there are no results.
func (o *Options) failed(err error) error {
	if o.Output == outputJSON || o.Output == outputYAML {
		return errors.Join(err, o.print(report.Failure(err)))
	}
	return err
}

func (o *Options) print(r *report.Report) error {
	switch o.Output {
	case outputJSON:
		return r.JSON(o.Streams.Out)
	case outputYAML:
		return r.YAML(o.Streams.Out)
	}
	return r.Table(o.Streams.Out, report.Style{Wide: o.Output == outputWide, Color: o.Color})
}

// exit is 3 when nothing failed but reaching the gateway or Envoy.
func exit(results []report.Result) error {
	code := 0
	for _, r := range results {
		switch {
		case r.Verdict == diagnose.Verified:
		case r.Verdict.Unreachable() && code == 0:
			code = fail.CodeUnreachable
		case !r.Verdict.Unreachable():
			code = fail.CodeFailed
		}
	}
	if code == 0 {
		return nil
	}
	return &fail.Error{Code: code, Err: fail.ErrSilent}
}

// verify is the way of one run: which subjects, and a result for each.
func (o *Options) verify(ctx context.Context) ([]report.Result, error) {
	w := &world{clients: o.Clients, namespace: o.Clients.Namespace, now: o.Now()}
	if o.AllNamespaces {
		w.namespace = ""
	}
	if err := w.load(ctx); err != nil {
		return nil, err
	}
	if err := o.checkGateway(ctx, w); err != nil {
		return nil, err
	}
	subjects, err := w.subjects(ctx, o.Targets)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 {
		if err := errors.Join(w.unreadPolicies...); err != nil {
			return nil, err
		}
		return nil, o.nothing()
	}
	results := make([]report.Result, 0, len(subjects))
	for _, s := range subjects {
		result, err := o.verifyOne(ctx, w, s)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// checkGateway refuses a --gateway that does not exist.
func (o *Options) checkGateway(ctx context.Context, w *world) error {
	if o.GatewayName == "" {
		return nil
	}
	found, err := w.get(ctx, o.GatewayNamespace, o.GatewayName, &gatewayv1.Gateway{})
	if err != nil || found {
		return w.onlyHopeless(err) // else each result says what could not be read
	}
	return fail.Failed("gateway %s/%s does not exist", o.GatewayNamespace, o.GatewayName).WithFix("kubectl get gateways -A")
}

func (o *Options) nothing() error {
	if o.AllNamespaces {
		return fail.Failed("no policy in any namespace originates TLS").
			WithFix("kubectl tlsgw originate svc/NAME")
	}
	return fail.Failed("no policy in namespace %s originates TLS", o.Clients.Namespace).
		WithFix("kubectl tlsgw originate svc/NAME    # or look elsewhere with -n NAMESPACE or -A")
}

func (o *Options) verifyOne(ctx context.Context, w *world, s subject) (report.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	evidence, err := o.gather(ctx, w, s)
	switch {
	case err == nil:
	case w.hopeless(err):
		return report.Result{}, err
	default:
		evidence.Unread = unread(err)
	}
	return result(evidence, diagnose.Evaluate(evidence)), nil
}

// note writes a line of the exchange to stderr with -v.
func (o *Options) note(format string, args ...any) {
	if o.Verbose {
		_, _ = fmt.Fprintf(o.Streams.ErrOut, format+"\n", args...) // progress: nobody waits for it
	}
}

// colored says whether w is a terminal that wants colours.
func colored(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal.Paints(w, os.Getenv)
}
