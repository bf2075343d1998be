// Package controller is the verb that runs the controller in the foreground,
// against whatever cluster kubectl's flags, or the pod that it is in, name.
//
// In go flags; out come statuses in the cluster, configuration for the proxies
// that connect, and a log on stderr; with --in-cluster also the proxies. It
// ends, with exit code 0, when it is interrupted or terminated; a second signal
// ends it at once.
package controller

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

const long = `Run the controller in the foreground: it watches Gateway API objects, serves
their configuration to Envoy proxies over mutual TLS, and writes status.

It needs a certificate for ` + contract.XDSServerName + `, and a CA that has issued the
proxies' certificates. The files are read again when they change. A proxy may
only read the configuration of the Gateway that its certificate names.

With --in-cluster it is one of several replicas in the cluster: it deploys an
Envoy for each Gateway, keeps a CA of its own for them in a Secret, and elects
by a Lease who of the replicas writes. Every replica serves proxies. ` + "`kubectl tlsgw\ninstall`" + ` runs it so; its name comes from the environment variable ` + envPodName + `.`

const examples = `  # against the current context
  kubectl tlsgw controller --xds-cert tls.crt --xds-key tls.key --xds-ca ca.crt`

// Environment variables of a replica, set by its Deployment.
const (
	// envPodName is the replica's name, unlike any other's.
	envPodName = "POD_NAME"
	// envPodUID is its Pod's UID.
	envPodUID = "POD_UID"
)

// NewCommand is the verb.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	values := &values{getenv: os.Getenv}
	cmd := &cobra.Command{
		Use:     "controller",
		Short:   "Run the controller in the foreground",
		Long:    long,
		Example: examples,
		Args:    cobra.NoArgs,
		// In place of the root's: Run gives the libraries a logger.
		PersistentPreRun: func(*cobra.Command, []string) {},
		RunE: func(cmd *cobra.Command, _ []string) error {
			values.given, values.namespace = cmd.Flags().Changed, *flags.Namespace
			options, err := values.options(streams)
			if err != nil {
				return err
			}
			var most time.Duration // a person is told at once
			if values.inCluster {
				most = patience
			}
			open := func() (*kube.Clients, error) { return kube.New(flags) }
			if options.Clients, err = connect(cmd.Context(), options.Controller.Log, most, open); err != nil {
				return err
			}
			return options.Run(cmd.Context())
		},
	}
	cmd.Flags().SortFlags = false
	values.addFlags(cmd.Flags())
	kube.AddFlags(flags, cmd.Flags())
	return cmd
}

// values are the flags as given.
type values struct {
	xdsAddress, xdsCert, xdsKey, xdsCA string
	healthAddress                      string
	listenAddress, systemCAFile        string
	allowLoopback                      bool
	gatewayAddress                     string
	logLevel                           string
	inCluster                          bool
	envoyImage                         string

	// namespace is that of kubectl's flag.
	namespace string
	// given tells whether a flag was given.
	given func(flag string) bool
	// getenv reads the environment.
	getenv func(name string) string
}

func (v *values) addFlags(set *pflag.FlagSet) {
	set.StringVar(&v.xdsAddress, "xds-address", fmt.Sprintf("0.0.0.0:%d", contract.XDSPort), "address on which proxies reach the controller")
	set.StringVar(&v.xdsCert, "xds-cert", "", "file with the controller's certificate for "+contract.XDSServerName)
	set.StringVar(&v.xdsKey, "xds-key", "", "file with the key of that certificate")
	set.StringVar(&v.xdsCA, "xds-ca", "", "file with the CA that has issued the proxies' certificates")
	set.StringVar(&v.healthAddress, "health-address", "", "address for /healthz, /readyz and /metrics, as 127.0.0.1:8081 (default: none)")
	set.StringVar(&v.listenAddress, "listen-address", "0.0.0.0", "address on which the proxies listen")
	set.StringVar(&v.systemCAFile, "system-ca-file", "/etc/ssl/certs/ca-certificates.crt", "path, in the proxies, of the bundle that wellKnownCACertificates: System stands for")
	set.StringVar(&v.gatewayAddress, "gateway-address", "", "IP address or host name that the status of every Gateway gives (default: none)")
	set.BoolVar(&v.allowLoopback, "allow-loopback-backends", false, "allow backends on the proxies' own machine; opens Envoy's admin port to whoever may write a Backend")
	set.BoolVar(&v.inCluster, "in-cluster", false, "be a replica in the cluster: deploy proxies, keep their CA, elect who writes; own objects are in --namespace (default "+contract.SystemNamespace+")")
	set.StringVar(&v.envoyImage, "envoy-image", contract.EnvoyImage, "with --in-cluster: the image of proxies whose parameters name none")
	set.StringVar(&v.logLevel, "log-level", "info", "least level that is logged: debug, info, warn or error")
}

// Options are what Run needs.
type Options struct {
	Clients *kube.Clients
	// Controller has all but the connection and the listeners.
	Controller                controlplane.Options
	XDSAddress, HealthAddress string
}

// Run serves until ctx ends.
func (o *Options) Run(ctx context.Context) error {
	// Both libraries log through one logger for the whole process.
	ctrllog.SetLogger(o.Controller.Log.WithName("kubernetes"))
	klog.SetLogger(o.Controller.Log.WithName("kubernetes"))

	c := o.Controller
	c.Config = o.Clients.Config
	var err error
	if c.XDSListener, err = listen(ctx, "--xds-address", o.XDSAddress); err != nil {
		return err
	}
	if o.HealthAddress != "" {
		if c.HealthListener, err = listen(ctx, "--health-address", o.HealthAddress); err != nil {
			_ = c.XDSListener.Close()
			return err
		}
	}
	return o.Clients.Explain(controlplane.Run(ctx, c))
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fail.Failed("%s: %w", flag, err).WithFix("stop what listens there, or choose another %s", flag)
	}
	return l, nil
}
