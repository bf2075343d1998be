package plugin

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// verbs are the commands under the root, in the order of the help text.
func verbs(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) []*cobra.Command {
	_ = flags
	return []*cobra.Command{
		newVersionCommand(streams),
	}
}
