package devup

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// NewDownCommand is the verb dev-down.
func NewDownCommand(_ *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	var name, driver string
	cmd := &cobra.Command{
		Use:   "dev-down",
		Short: "Stop and remove a dev cluster",
		Long: `Remove the containers, or stop every process, of a dev cluster, remove its state
and its context, and make the context current again that was so before dev-up.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cluster.ValidateName(name); err != nil {
				return err
			}
			with, err := driversWith(cmd.Context(), driver, name)
			if err != nil {
				return err
			}
			return down(cmd.Context(), with, name, streams)
		},
	}
	cmd.Flags().StringVar(&name, "name", contract.DevClusterName, "name of the dev cluster")
	cmd.Flags().StringVar(&driver, "driver", cluster.DriverAuto, driverUsage)
	return cmd
}

func down(ctx context.Context, with []cluster.Driver, name string, streams genericiooptions.IOStreams) error {
	there := false
	switch len(with) {
	case 0:
	case 1:
		var err error
		if there, err = with[0].Down(ctx, name, cluster.NewSteps(streams.ErrOut, os.Getenv, time.Now)); err != nil {
			return err
		}
	default:
		return fail.Usage("there are two dev clusters %q: one of driver %s, one of driver %s", name, with[0].Name(), with[1].Name()).
			WithFix("kubectl tlsgw dev-down --name %s --driver %s    # then the other", name, with[0].Name()).WithOutcome("nothing was changed")
	}
	if there {
		return nil
	}
	_, err := fmt.Fprintf(streams.ErrOut, "There is no dev cluster %q: nothing to do.\n", name)
	return err
}
