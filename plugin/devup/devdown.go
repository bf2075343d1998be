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
)

// NewDownCommand is the verb dev-down.
func NewDownCommand(_ *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	var name, driver string
	cmd := &cobra.Command{
		Use:   "dev-down",
		Short: "Stop and remove a dev cluster",
		Long: `Stop every process of a dev cluster, remove its state and its context, and make
the context current again that was so before dev-up.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cluster.ValidateName(name); err != nil {
				return err
			}
			chosen, err := chooseDriver(driver)
			if err != nil {
				return err
			}
			return down(cmd.Context(), chosen, name, streams)
		},
	}
	cmd.Flags().StringVar(&name, "name", contract.DevClusterName, "name of the dev cluster")
	cmd.Flags().StringVar(&driver, "driver", cluster.DriverAuto, "where the cluster runs: local or auto")
	return cmd
}

func down(ctx context.Context, driver cluster.Driver, name string, streams genericiooptions.IOStreams) error {
	there, err := driver.Down(ctx, name, cluster.NewSteps(streams.ErrOut, os.Getenv, time.Now))
	if err == nil && !there {
		_, err = fmt.Fprintf(streams.ErrOut, "There is no dev cluster %q: nothing to do.\n", name)
	}
	return err
}
