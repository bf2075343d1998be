package kube

import (
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

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
