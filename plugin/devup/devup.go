// Package devup has the verbs dev-up and dev-down. Flags come in; a dev
// cluster with a real API server, controller and Envoy comes out, or goes.
// The drivers in plugin/internal/cluster do the work.
package devup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/binaries"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kind"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/local"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/sample"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// NewCommand is the verb dev-up.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	o := &upOptions{streams: streams}
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "dev-up",
		Short: "Start a dev cluster: a real API server, controller and Envoy, and a TLS backend to try",
		Long: `Start a dev cluster, or heal one that is there. It has a real Kubernetes API
server, the controller, one real Envoy for the Gateway kgateway-system/http, and
the sample backend svc/nginx with a certificate made now, whose CA is in
configmap/nginx-ca. The gateway answers on localhost:8080. The cluster's context
becomes the current one of your kubeconfig until dev-down.

With --driver kind it is a cluster of one node in a container of Docker, Podman
or nerdctl, as kind makes it; the controller runs there, from an image made of
this very binary. With --driver local it is processes of this machine that
listen on loopback only; their logs and everything else are in one folder below
$XDG_STATE_HOME/kubectl-tlsgw. Without --driver, it is kind where a container
engine answers.`,
		Example: `  kubectl tlsgw dev-up
  kubectl tlsgw dev-up --http-port 9080 --name second
  kubectl tlsgw dev-up --driver local     # no container engine needed
  kubectl tlsgw dev-up --break expired    # then see what verify says
  kubectl tlsgw dev-up --break none       # and mend it again`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.complete(o, cmd, flags); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(flags.KubeConfig, "kubeconfig", "", "the kubeconfig file to write the context to (default: as kubectl)")
	cmd.AddCommand(newSampleCommand())
	return cmd
}

// upFlags are the flags as given.
type upFlags struct {
	cluster.Options
	driver  string
	broken  string
	wait    bool
	verbose bool
}

func (f *upFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.Name, "name", contract.DevClusterName, "name of the dev cluster")
	fs.StringVar(&f.driver, "driver", cluster.DriverAuto, driverUsage)
	fs.IntVar(&f.HTTPPort, "http-port", 0, fmt.Sprintf("port of this machine where the gateway answers (default %d)", contract.DevHTTPPort))
	fs.IntVar(&f.AdminPort, "admin-port", 0, fmt.Sprintf("port of this machine where Envoy's admin interface answers, with --driver local (default %d)", contract.AdminPort))
	fs.StringVar(&f.GatewayAPI, "gateway-api", "", "channel of Gateway API: standard or experimental (default standard)")
	fs.BoolVar(&f.NoSample, "no-sample", false, "leave out the sample backend svc/nginx")
	fs.StringVar(&f.broken, "break", "", "set the sample up wrongly: sni, ca, expired, plaintext, tls-version or client-cert; none mends it")
	fs.StringVar(&f.Envoy, "envoy", "", "the Envoy program, with --driver local (default: "+binaries.EnvEnvoy+", PATH, then the cache)")
	fs.StringVar(&f.KubeAssets, "kube-assets", "", "folder with etcd and kube-apiserver, with --driver local (default: "+binaries.EnvKubeAssets+", PATH, the cache, then a download)")
	fs.StringVar(&f.NodeImage, "node-image", "", "the node's image, with --driver kind (default "+kind.DefaultNodeImage+")")
	fs.StringVar(&f.Image, "image", "", "the controller's image, with --driver kind (default: made of this very binary, which an empty value goes back to)")
	fs.StringVar(&f.LinuxBinary, "linux-binary", "", "a static Linux kubectl-tlsgw to make the controller's image of, with --driver kind (default: this very binary, which an empty value goes back to)")
	fs.StringVar(&f.SystemCAFile, "system-ca-file", "", "the bundle that wellKnownCACertificates: System means (default: that of the operating system, or of Envoy's image, which an empty value goes back to)")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "say what each step is at")
	fs.BoolVar(&f.wait, "wait", true, "wait until the gateway answers")
	fs.BoolVar(&f.Retain, "retain", false, "keep what was made when a step fails")
}

// complete turns the flags into options.
func (f *upFlags) complete(o *upOptions, cmd *cobra.Command, flags *genericclioptions.ConfigFlags) error {
	for _, port := range []struct {
		flag  string
		value int
	}{{"http-port", f.HTTPPort}, {"admin-port", f.AdminPort}} {
		if cmd.Flags().Changed(port.flag) && port.value == 0 {
			return fail.Usage("--%s 0 is not a port: choose one between 1024 and 65535", port.flag)
		}
	}
	o.Options = f.Options
	o.Break = cluster.Break(f.broken)
	o.NoWait = !f.wait
	o.Kubeconfig = *flags.KubeConfig
	given := cmd.Flags().Changed
	o.OwnProgram = (given("image") || given("linux-binary")) && o.Image == "" && o.LinuxBinary == ""
	o.OwnBundle = given("system-ca-file") && o.SystemCAFile == ""
	if err := o.Validate(); err != nil {
		return err
	}
	if o.SystemCAFile != "" {
		if err := checkBundle(&o.SystemCAFile); err != nil {
			return err
		}
	}
	o.now, o.verbose = time.Now, f.verbose
	if o.LinuxBinary != "" {
		var err error
		if o.LinuxBinary, err = filepath.Abs(o.LinuxBinary); err != nil {
			return fail.Usage("--linux-binary %s: %w", f.LinuxBinary, err)
		}
	}
	o.choose = f.driver
	return nil
}

// upOptions are what dev-up needs to run.
type upOptions struct {
	cluster.Options
	// choose is the value of --driver.
	choose  string
	verbose bool
	streams genericiooptions.IOStreams
	now     func() time.Time
}

func (o *upOptions) run(ctx context.Context) error {
	started := o.now()
	steps := cluster.NewSteps(o.streams.ErrOut, os.Getenv, o.now)
	if o.verbose {
		steps.Verbose()
	}
	driver, why, err := driverFor(ctx, o.choose, o.Name)
	if err != nil {
		return err
	}
	if err := o.ValidateFor(driver.Name()); err != nil {
		return err
	}
	o.Why = why
	summary, err := driver.Up(ctx, o.Options, steps)
	if err != nil {
		return err
	}
	steps.Say("%s", o.conclusion(summary, o.now().Sub(started)))
	if !summary.Sample {
		return nil
	}
	_, err = fmt.Fprintf(o.streams.Out, "\n  kubectl tlsgw originate svc/nginx --sni %[1]s --expose %[1]s\n  kubectl tlsgw verify\n", sample.Hostname)
	return err
}

// conclusion is the last line of the progress.
func (o *upOptions) conclusion(s cluster.Summary, took time.Duration) string {
	state := fmt.Sprintf("Ready in %.1fs.", took.Seconds())
	if !s.Changed {
		state = fmt.Sprintf("Dev cluster %q is up and every part of it answers: nothing to do.", o.Name)
	}
	switch {
	case !s.Current:
		return state + fmt.Sprintf("\nContext %s is not current: kubectl config use-context %[1]s", s.Context)
	case s.Created:
		return state + fmt.Sprintf(" Context %s is now current.", s.Context)
	}
	return state + fmt.Sprintf(" Context %s is current.", s.Context)
}

// sampleVerb is a hidden command below dev-up.
const sampleVerb = "serve-sample"

// newSampleCommand serves the sample where there is no nginx.
func newSampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:    sampleVerb + " FILE",
		Short:  "Serve the sample backend that FILE describes",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return local.ServeSample(cmd.Context(), args[0])
		},
	}
}
