// Package originate is the verb that makes a Gateway speak TLS to a backend:
// it finds out what the backend presents and whom to trust, checks that they
// fit together, and applies the policy, with a Backend and a route where asked.
//
// In go flags; out come objects in the cluster, their names on stdout, and on
// stderr what was decided and why. Nothing is written before every object has
// been checked, here and by the API server.
package originate

import (
	"crypto/x509"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

const long = `Make a Gateway speak TLS to a backend.

TARGET is svc/NAME, backend/NAME, or host/NAME[:PORT] for a host outside of the
cluster, for which a Backend is made (default port 443).

Without --ca-from and --system-ca it shakes hands with the backend and takes what
verifies it: the system bundle, else the one ConfigMap or Secret in the namespace
whose ca.crt does. It says what it took and why. Before anything is applied, the
bundle, the backend and the objects are checked; errors stop it, and each comes
with a fix.`

const examples = `  # nginx presents a certificate for example.com; expose it on the only Gateway
  kubectl tlsgw originate svc/nginx --sni example.com --expose example.com

  # an external host, trusted through the system bundle
  kubectl tlsgw originate host/httpbin.org --system-ca --expose httpbin.example

  # only show what would be applied, or what would change
  kubectl tlsgw originate svc/nginx --sni example.com --dry-run -o yaml
  kubectl tlsgw originate svc/nginx --sni example.com --diff`

// NewCommand is the verb.
func NewCommand(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	values := &values{}
	cmd := &cobra.Command{
		Use:     "originate TARGET",
		Short:   "Make a Gateway speak TLS to a backend",
		Long:    long,
		Example: examples,
		Args:    oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := kube.WithoutDryRun(cmd.Flags(), args)
			if err != nil {
				return err
			}
			options, err := values.options(args[0], streams)
			if err != nil {
				return err
			}
			options.command = commandOf(cmd.CommandPath(), args[0], cmd.Flags())
			clients, err := kube.New(flags)
			if err != nil {
				return err
			}
			options.Clients = clients
			return options.Run(cmd.Context())
		},
	}
	cmd.Flags().SortFlags = false
	values.addFlags(cmd.Flags())
	kube.AddFlags(flags, cmd.Flags())
	return cmd
}

func oneTarget(cmd *cobra.Command, args []string) error {
	args, err := kube.WithoutDryRun(cmd.Flags(), args)
	if err != nil {
		return err
	}
	switch len(args) {
	case 1:
		return nil
	case 0:
		return fail.Usage("originate needs a target: svc/NAME, backend/NAME or host/NAME[:PORT]").
			WithFix("kubectl tlsgw originate svc/NAME --sni HOSTNAME")
	default:
		return fail.Usage("originate takes one target, and got %d: %q is one too many", len(args), args[1])
	}
}

// values are the flags as given.
type values struct {
	caFrom, policy, port, sni            string
	systemCA, insecure, sync, force, yes bool
	sans, alpn, ciphers, curves, labels  []string
	minTLS, maxTLS, clientCert           string
	expose, gateway, pathPrefix, name    string
	dryRun, output                       string
	diff, wait                           bool
	timeout                              time.Duration
}

func (v *values) addFlags(set *pflag.FlagSet) {
	set.StringVar(&v.sni, "sni", "", "server name to send, which the backend's certificate must be for (a host target has its own)")
	set.StringArrayVar(&v.sans, "san", nil, "accept this DNS name or URI in the certificate in place of --sni; repeatable")
	set.StringVar(&v.caFrom, "ca-from", "", "trust the CA in configmap/NAME[:KEY], secret/NAME[:KEY] or FILE, or what the backend presents: backend")
	set.BoolVar(&v.systemCA, "system-ca", false, "trust the proxy's system bundle")
	set.BoolVar(&v.insecure, "insecure-skip-verify", false, "verify nothing: anyone in between can read and change everything")
	set.StringVar(&v.clientCert, "client-cert", "", "client certificate: secret/NAME with tls.crt, tls.key and ca.crt")
	set.StringArrayVar(&v.alpn, "alpn", nil, "protocol to offer, as h2 or http/1.1; repeatable")
	set.StringVar(&v.minTLS, "min-tls", "", "lowest version of TLS: 1.0, 1.1, 1.2 or 1.3")
	set.StringVar(&v.maxTLS, "max-tls", "", "highest version of TLS")
	set.StringArrayVar(&v.ciphers, "cipher", nil, "cipher suite to offer up to TLS 1.2; repeatable")
	set.StringArrayVar(&v.curves, "curve", nil, "group to offer for the key exchange, as X25519; repeatable")
	set.StringVar(&v.policy, "policy", "auto", "kind of policy: auto, BackendTLSPolicy or BackendConfigPolicy")
	set.StringVar(&v.port, "port", "", "name or number of the Service's port; needed when it has several")
	set.StringVar(&v.expose, "expose", "", "also route this hostname to the backend")
	set.StringVar(&v.gateway, "gateway", "", "Gateway of the route, NAMESPACE/NAME (default: the only one)")
	set.StringVar(&v.pathPrefix, "path-prefix", "", "route only paths that begin with this")
	set.StringVar(&v.name, "name", "", "base name of the objects (default: the target's)")
	set.StringArrayVarP(&v.labels, "label", "l", nil, "label KEY=VALUE for every object; repeatable")
	set.BoolVar(&v.sync, "sync", false, "only refresh the copied CA from where it came")
	kube.AddDryRun(set, &v.dryRun, "write nothing")
	set.StringVarP(&v.output, "output", "o", "", "print the objects: yaml, json or name")
	set.BoolVar(&v.diff, "diff", false, "show what would change, and exit 1 if anything would")
	set.BoolVar(&v.force, "force", false, "go on in spite of what the checks find, and take over what others manage")
	set.BoolVarP(&v.yes, "yes", "y", false, "answer yes to every question")
	set.BoolVar(&v.wait, "wait", true, "wait until the policy is accepted and live in Envoy, and a handshake was seen")
	set.DurationVar(&v.timeout, "timeout", 30*time.Second, "how long to wait")
}

// systemPool is this machine's bundle, which stands for the proxy's.
func systemPool() (*x509.CertPool, error) { return x509.SystemCertPool() }
