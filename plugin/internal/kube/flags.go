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
// of AddDryRun: the value of a flag that may stand alone must be given with
// "=", and "--dry-run server" would otherwise be a flag and an argument.
func DryRunOnly(cmd *cobra.Command, args []string) error {
	flag := cmd.Flags().Lookup("dry-run")
	if len(args) == 1 && flag.Changed && flag.Value.String() == DryRunClient && slices.Contains(dryRuns(), args[0]) {
		return flag.Value.Set(args[0])
	}
	return cobra.NoArgs(cmd, args)
}

// CheckDryRun refuses a value of --dry-run that is unknown.
func CheckDryRun(value string) error {
	if slices.Contains(dryRuns(), value) {
		return nil
	}
	return fail.Usage("--dry-run %q is unknown: write one of %s", value, strings.Join(dryRuns(), ", "))
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
