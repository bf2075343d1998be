package plugin

import (
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/controller"
	"github.com/tlsgw/kubectl-tlsgw/plugin/devup"
	"github.com/tlsgw/kubectl-tlsgw/plugin/install"
	"github.com/tlsgw/kubectl-tlsgw/plugin/originate"
	"github.com/tlsgw/kubectl-tlsgw/plugin/remove"
	"github.com/tlsgw/kubectl-tlsgw/plugin/verify"
)

// verbs are the commands under the root, in the order of the help text. args are
// the command line.
func verbs(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams, args []string) []*cobra.Command {
	info, _ := debug.ReadBuildInfo()
	return []*cobra.Command{
		originate.NewCommand(flags, streams),
		verify.NewCommand(flags, streams, args),
		remove.NewCommand(flags, streams),
		devup.NewCommand(flags, streams),
		devup.NewDownCommand(flags, streams),
		install.NewCommand(flags, streams, version(info)),
		install.NewUninstallCommand(flags, streams),
		controller.NewCommand(flags, streams),
		newVersionCommand(streams),
	}
}
