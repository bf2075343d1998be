package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/installation"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

const uninstallLong = `Take away what install made: the controller, the proxies that it deployed, its
rights, its GatewayClass and its namespace.

Gateways, routes and policies stay, and so do the definitions of their kinds:
deleting a definition deletes every object of its kind. --crds takes away those
definitions that are ours, once no object of their kinds is left.

While there are Gateways that would lose their proxies, it asks first.`

const uninstallExample = `  kubectl tlsgw uninstall
  kubectl tlsgw uninstall --yes --crds
  kubectl tlsgw uninstall --dry-run=server`

// UninstallOptions is what uninstall does once its flags are understood.
type UninstallOptions struct {
	installation.RemovalOptions
	Yes, Wait bool
	// DryRun is none, client or server; Output is empty or name.
	DryRun, Output string
	Timeout        time.Duration

	Clients *kube.Clients
	Streams genericiooptions.IOStreams
	// Terminal says whether a person can be asked.
	Terminal bool
}

// NewUninstallCommand is the verb uninstall.
func NewUninstallCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &UninstallOptions{Streams: streams, Terminal: terminal.Is(streams.In)}
	cmd := &cobra.Command{
		Use:     "uninstall",
		Short:   "Take the controller out of a cluster",
		Long:    uninstallLong,
		Example: uninstallExample,
		Args:    kube.DryRunOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			clients, err := kube.New(flags)
			if err != nil {
				return err
			}
			o.Clients = clients
			return o.Run(cmd.Context())
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	set.BoolVar(&o.CRDs, "crds", false, "take the definitions away too that are ours, if no object of their kinds is left")
	set.BoolVar(&o.Force, "force", false, "with --crds: even if objects are left, which are then lost")
	kube.AddDryRun(set, &o.DryRun, "delete nothing")
	set.StringVarP(&o.Output, "output", "o", "", "name: print only the names")
	set.BoolVar(&o.Wait, "wait", true, "wait until everything is gone")
	set.DurationVar(&o.Timeout, "timeout", defaultTimeout, "how long to wait")
	kube.AddFlags(flags, set)
	return cmd
}

func (o *UninstallOptions) complete() error {
	if err := kube.CheckDryRun(o.DryRun); err != nil {
		return err
	}
	switch {
	case o.Output != "" && o.Output != "name":
		return fail.Usage("--output %q is unknown: write name", o.Output)
	case o.Force && !o.CRDs:
		return fail.Usage("--force has no effect without --crds")
	case o.Timeout <= 0:
		return fail.Usage("--timeout %s is not a time to wait: write one as 3m", o.Timeout)
	}
	return nil
}

// Run does what the options say.
func (o *UninstallOptions) Run(ctx context.Context) error {
	removal, err := installation.PrepareRemoval(ctx, o.Clients, o.RemovalOptions)
	if err != nil {
		return err
	}
	for _, note := range removal.Notes {
		o.say("%s", note)
	}
	if removal.Empty() {
		o.say("nothing of ours is left to take away")
		return nil
	}
	o.sayLosses(removal)
	if o.DryRun == kube.DryRunClient {
		for _, object := range removal.Objects() {
			o.deleted(kube.NameOf(object))
		}
		o.say("%s", installation.Unchanged)
		return nil
	}
	if o.DryRun == kube.DryRunNone {
		if err := o.confirm(removal); err != nil {
			return err
		}
	}
	running, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = removal.Run(running, installation.RunOptions{
		DryRun: o.DryRun == kube.DryRunServer, NoWait: !o.Wait, Progress: o.deleted,
		Waiting: func(left []string) { o.say("waiting for %s to be gone", strings.Join(left, ", ")) },
	})
	if err == nil && o.DryRun == kube.DryRunServer {
		o.say("%s", installation.Unchanged)
	}
	return err
}

// sayLosses says what people would miss.
func (o *UninstallOptions) sayLosses(removal *installation.Removal) {
	if n := len(removal.Gateways); n > 0 {
		o.say("%d Gateways lose their proxies, and their routes the way to any backend: %s", n, strings.Join(removal.Gateways, ", "))
	}
	for _, lost := range removal.Lost {
		o.say("LOST with their definition, for good: %s", lost)
	}
}

// confirm asks where something would be missed.
func (o *UninstallOptions) confirm(removal *installation.Removal) error {
	if o.Yes || len(removal.Gateways) == 0 && len(removal.Lost) == 0 {
		return nil
	}
	if !o.Terminal {
		return fail.Failed("there is nobody to ask whether that is wanted").
			WithFix("%s", o.again()).WithOutcome(installation.Unchanged)
	}
	_, _ = fmt.Fprintf(o.Streams.ErrOut, "Type yes to go on in %s: ", o.where())
	answer, err := bufio.NewReader(o.Streams.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return fail.Failed("the answer was not yes").WithOutcome(installation.Unchanged)
	}
	return nil
}

func (o *UninstallOptions) where() string {
	if o.Clients.Context != "" {
		return "context " + o.Clients.Context
	}
	return o.Clients.Config.Host
}

// again is the command line with --yes.
func (o *UninstallOptions) again() string {
	words := append([]string{"kubectl tlsgw uninstall --yes"}, o.Clients.Flags...)
	for _, flag := range []struct {
		given bool
		text  string
	}{{o.CRDs, "--crds"}, {o.Force, "--force"}} {
		if flag.given {
			words = append(words, flag.text)
		}
	}
	return strings.Join(words, " ")
}

func (o *UninstallOptions) deleted(name string) {
	suffix := " deleted"
	switch {
	case o.Output == "name":
		suffix = ""
	case o.DryRun != kube.DryRunNone:
		suffix = fmt.Sprintf(" deleted (%s dry run)", o.DryRun)
	}
	_, _ = fmt.Fprintf(o.Streams.Out, "%s%s\n", name, suffix)
}

func (o *UninstallOptions) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Streams.ErrOut, format+"\n", args...)
}
