// Package install has the verbs install and uninstall, which put the
// controller into a cluster and take it away again. Flags come in; out come
// objects in the cluster, their names on stdout, and what was left alone on
// stderr. Package installation does the work.
package install

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/installation"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

const (
	defaultReplicas = 2
	// defaultTimeout is enough to pull the image over a slow line.
	defaultTimeout = 3 * time.Minute
)

const installLong = `Put the controller into the cluster of the current context, or bring what is
there to this version: the definitions of Gateway API ` + consts.BundleVersion + ` and of our own kinds, the
namespace tlsgw-system with the controller and its rights, and the GatewayClass
tlsgw. A Gateway of that class then gets proxies of its own.

What is there and is not ours is never changed: definitions of Gateway API that
others have installed are used where they will do, as are those of kgateway.
Everything is checked before anything is written, and a second run changes
nothing.

With --dry-run (or --dry-run=client) no cluster is asked: it prints what a new
one would get.`

const installExample = `  kubectl tlsgw install
  kubectl tlsgw install --image registry.example/kubectl-tlsgw:v1.2.3

  # look first: what would change, or all objects for another tool to apply
  kubectl tlsgw install --diff
  kubectl tlsgw install --dry-run -o yaml | kubectl apply --server-side -f -`

// Options is what install does once its flags are understood.
type Options struct {
	installation.Options
	// DryRun is none, client or server; Output is empty, yaml, json or name.
	DryRun, Output string
	Diff, Wait     bool
	Timeout        time.Duration

	// Clients are nil where no cluster is to be asked.
	Clients *kube.Clients
	Streams genericiooptions.IOStreams
	Now     func() time.Time
}

// NewCommand is the verb install. version is that of this binary, whose image
// is the default if it is a release.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams, version string) *cobra.Command {
	o := &Options{Streams: streams, Now: time.Now}
	cmd := &cobra.Command{
		Use:     "install",
		Short:   "Put the controller into a cluster, or upgrade it",
		Long:    installLong,
		Example: installExample,
		Args:    kube.DryRunOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(version); err != nil {
				return err
			}
			if o.asksCluster() {
				clients, err := kube.New(flags)
				if err != nil {
					return err
				}
				o.Clients = clients
			}
			return o.Run(cmd.Context())
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&o.Image, "image", "", "the controller's image (default: "+release.Repository+" of this version)")
	set.Int32Var(&o.Replicas, "replicas", defaultReplicas, "how many pods the controller has")
	set.StringVar(&o.LogLevel, "log-level", "info", "least level that the controller logs: debug, info, warn or error")
	set.StringVar(&o.Channel, "gateway-api", "", "channel of Gateway API: standard, experimental or none (default: as it is, else standard)")
	set.BoolVar(&o.Diff, "diff", false, "show what would change, and exit 1 if anything would")
	kube.AddDryRun(set, &o.DryRun, "no cluster is asked")
	set.StringVarP(&o.Output, "output", "o", "", "print the objects: yaml, json or name")
	set.BoolVar(&o.Force, "force", false, "take over fields of our objects that others have changed")
	set.BoolVar(&o.Wait, "wait", true, "wait until the controller runs and has accepted its GatewayClass")
	set.DurationVar(&o.Timeout, "timeout", defaultTimeout, "how long to wait")
	kube.AddFlags(flags, set)
	return cmd
}

// complete checks the flags and fills in the image.
func (o *Options) complete(version string) error {
	if err := kube.CheckDryRun(o.DryRun); err != nil {
		return err
	}
	if o.Output != "" && !slices.Contains(kube.Formats(), o.Output) {
		return fail.Usage("--output %q is unknown: write one of %s", o.Output, strings.Join(kube.Formats(), ", "))
	}
	if o.Channel != "" && !slices.Contains(installation.Channels(), o.Channel) {
		return fail.Usage("--gateway-api %q is unknown: write one of %s", o.Channel, strings.Join(installation.Channels(), ", "))
	}
	if o.Replicas < 1 {
		return fail.Usage("--replicas %d runs no controller: write 1 or more", o.Replicas).WithFix("kubectl tlsgw uninstall    # takes it away")
	}
	if o.LogLevel != "" && !slices.Contains(installation.LogLevels(), o.LogLevel) {
		return fail.Usage("--log-level %q is unknown: write one of %s", o.LogLevel, strings.Join(installation.LogLevels(), ", "))
	}
	if o.Timeout <= 0 {
		return fail.Usage("--timeout %s is not a time to wait: write one as 3m", o.Timeout)
	}
	if o.Image == "" {
		if !release.Is(version) {
			return fail.Usage("this binary is no release (version %s), so that no registry has its image: --image is needed", version).
				WithFix("kubectl tlsgw install --image REGISTRY/REPOSITORY:TAG    # or try it without a registry: kubectl tlsgw dev-up")
		}
		o.Image = release.Image(version)
	}
	if _, err := name.ParseReference(o.Image); err != nil {
		return fail.Usage("--image: %w", err)
	}
	return nil
}

// asksCluster is false for a client dry run that compares with nothing.
func (o *Options) asksCluster() bool { return o.DryRun != kube.DryRunClient || o.Diff }

// Run does what the options say. A difference that --diff finds is
// fail.ErrSilent.
func (o *Options) Run(ctx context.Context) error {
	if o.DryRun == kube.DryRunClient {
		objects, err := installation.Plan(o.Options)
		if err != nil {
			return err
		}
		if o.Diff {
			return o.diffPlan(ctx, objects)
		}
		return o.printDryRun(objects, nil)
	}
	prepared, err := installation.Prepare(ctx, o.Clients, o.Options)
	if err != nil {
		return err
	}
	for _, note := range prepared.Notes {
		o.say("%s", note)
	}
	switch {
	case o.Diff:
		return o.diff(ctx, prepared)
	case o.DryRun == kube.DryRunServer:
		return o.printDryRun(prepared.Objects, prepared.Checked)
	}
	return o.apply(ctx, prepared)
}

func (o *Options) apply(ctx context.Context, prepared *installation.Prepared) error {
	started := o.Now()
	changed := 0
	_, err := prepared.Apply(ctx, func(one kube.Applied) {
		if one.Change != kube.Unchanged {
			changed++
		}
		if o.Output == "" {
			o.result("%s %s", one.Name, one.Change)
		}
	})
	if err != nil {
		return err
	}
	if o.Output != "" {
		if err := kube.Print(o.Streams.Out, o.Output, prepared.Objects); err != nil {
			return err
		}
	}
	if changed == 0 {
		o.say("nothing had to be changed")
	}
	if !o.Wait {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = installation.WaitReady(waiting, o.Clients, func(seen string) { o.say("waiting for the controller: %s", seen) })
	if err != nil {
		failure := fail.As(err)
		failure.Outcome = "everything was applied and stays; to go back: kubectl tlsgw uninstall"
		return failure
	}
	o.say("The controller is ready (%s), and serves GatewayClass tlsgw.", o.Now().Sub(started).Round(100*time.Millisecond))
	return nil
}
