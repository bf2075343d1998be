package kube

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// The values of --dry-run.
const (
	DryRunNone   = "none"
	DryRunClient = "client"
	DryRunServer = "server"
)

func dryRuns() []string { return []string{DryRunNone, DryRunClient, DryRunServer} }

// AddDryRun gives a verb the flag --dry-run, which alone means client, as
// kubectl has it. client says what that does.
func AddDryRun(set *pflag.FlagSet, value *string, client string) {
	set.StringVar(value, "dry-run", DryRunNone, "none, client ("+client+") or server (the API server checks, and changes nothing)")
	set.Lookup("dry-run").NoOptDefVal = DryRunClient
}

// DryRunOnly are the arguments of a verb without arguments that has the flag
// of AddDryRun.
func DryRunOnly(cmd *cobra.Command, args []string) error {
	rest, err := WithoutDryRun(cmd.Flags(), args)
	if err != nil {
		return err
	}
	return cobra.NoArgs(cmd, rest)
}

// WithoutDryRun are the arguments of a verb that has the flag of AddDryRun,
// without the value of that flag: that of a flag that may stand alone must be
// given with "=", and "--dry-run server" would otherwise be a flag and an
// argument. A second call finds the same.
func WithoutDryRun(set *pflag.FlagSet, args []string) ([]string, error) {
	flag := set.Lookup("dry-run")
	if !flag.Changed {
		return args, nil
	}
	for i, arg := range args {
		if slices.Contains(dryRuns(), arg) && (flag.Value.String() == DryRunClient || flag.Value.String() == arg) {
			return slices.Concat(args[:i], args[i+1:]), flag.Value.Set(arg)
		}
	}
	return args, nil
}

// CheckDryRun refuses a value of --dry-run that is unknown.
func CheckDryRun(value string) error {
	if slices.Contains(dryRuns(), value) {
		return nil
	}
	return fail.Usage("--dry-run %q is unknown: write one of %s", value, strings.Join(dryRuns(), ", "))
}

// Repeatable tells whether a flag of kubectl's may stand in a command that is
// shown to be pasted: it says which cluster is meant, and is no secret.
func Repeatable(flag string) bool {
	return slices.Contains([]string{
		"namespace", "context", "kubeconfig", "cluster", "user", "server", "as", "as-group", "as-uid",
		"certificate-authority", "tls-server-name", "insecure-skip-tls-verify", "request-timeout",
	}, flag)
}

// AddFlags gives a verb all of kubectl's own flags. Its help shows only those
// that people use daily.
func AddFlags(flags *genericclioptions.ConfigFlags, set *pflag.FlagSet) {
	ofKubectl := pflag.NewFlagSet("kubectl", pflag.ContinueOnError)
	flags.AddFlags(ofKubectl)
	daily := map[string]bool{"namespace": true, "context": true, "kubeconfig": true}
	ofKubectl.VisitAll(func(f *pflag.Flag) {
		f.Hidden = f.Hidden || !daily[f.Name]
		set.AddFlag(f)
	})
}
