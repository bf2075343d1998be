// Package plugin is the command tree of kubectl tlsgw. Arguments and streams
// come in; what a person reads and an exit code go out. Each verb is a
// package of its own; this one knows only their names, and how an error
// becomes a message.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Run executes the command line args and returns the exit code of the process.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	root := NewCommand(streams, args) //nolint:contextcheck // verbs get the context from ExecuteContext
	err := root.ExecuteContext(ctx)
	printError(streams.ErrOut, err)
	return fail.Code(err)
}

// NewCommand is the root of the command tree, for the command line args.
func NewCommand(streams genericiooptions.IOStreams, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-tlsgw",
		Short: "TLS origination from a Gateway to its backends: scaffold it, prove it, try it",
		Long: `kubectl tlsgw makes a Gateway speak TLS to a backend, and proves that it does.

  dev-up      a dev cluster with a real API server, controller and Envoy
  originate   write and apply the policies for a Service, a Backend or a host
  verify      send requests through the gateway and read Envoy's handshake counters
  remove      take away what originate made
  install     put the controller into a cluster that is there; uninstall takes it away`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl tlsgw"},
		SilenceErrors: true,
		SilenceUsage:  true,
		// Two letters wrong still find the verb.
		SuggestionsMinimumDistance: 2,
		Args:                       unknownVerb,
		// The nearest PersistentPreRun counts: controller has one of its own.
		PersistentPreRun: func(*cobra.Command, []string) { discardLogs() },
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetArgs(args)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", fail.Width)))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fail.Usage("%w", err).WithFix("%s --help", cmd.CommandPath())
	})

	flags := genericclioptions.NewConfigFlags(true)
	root.AddCommand(verbs(flags, streams, args)...)
	for _, cmd := range root.Commands() {
		if cmd.Args != nil {
			cmd.Args = asUsage(cmd.Args)
		}
	}
	return root
}

// discardLogs drops what the client libraries log: it is not for the reader of
// a verb's output. A library that was given no logger complains about it.
func discardLogs() {
	ctrllog.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
}

// unknownVerb refuses what is no verb, with the nearest one.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fail.Usage("%q is not a command of kubectl tlsgw", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return err.WithFix("kubectl tlsgw %s", near[0])
	}
	return err.WithFix("kubectl tlsgw --help")
}

// asUsage gives a verb's complaint about its arguments the exit code of wrong
// usage.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if _, ok := errors.AsType[*fail.Error](err); err == nil || ok {
			return err
		}
		if len(args) > 0 && !cmd.HasAvailableSubCommands() { // all others say it themselves
			return fail.Usage("%s takes no arguments, and got %q", cmd.Name(), args[0]).WithFix("%s --help", cmd.CommandPath())
		}
		return fail.Usage("%w", err).WithFix("%s --help", cmd.CommandPath())
	}
}

// fixIndent is the width of "  fix: ".
const fixIndent = 7

// printError prints err once, as a person needs it.
func printError(w io.Writer, err error) {
	if err == nil || errors.Is(err, fail.ErrSilent) {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", err)
	if e, ok := errors.AsType[*fail.Error](err); ok {
		for _, detail := range e.Details {
			fmt.Fprintf(&b, "  %s\n", detail)
		}
		if e.Fix != "" {
			fmt.Fprintf(&b, "  fix: %s\n", strings.Join(fail.Lines(e.Fix, fail.Width-fixIndent), "\n"+strings.Repeat(" ", fixIndent)))
		}
		if e.Outcome != "" {
			fmt.Fprintf(&b, "%s\n", e.Outcome)
		}
	}
	_, _ = io.WriteString(w, b.String())
}
