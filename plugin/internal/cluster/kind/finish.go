package kind

import (
	"context"
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
)

// finish makes the cluster known to kubectl, and writes down what a later run
// must know.
func (u *up) finish(ctx context.Context) error {
	there, _, err := u.Kubeconfig.Installed(u.context(), u.access)
	if err != nil {
		return err
	}
	if !there {
		u.changed = true
		// What undoes it is saved first, so that nothing stays behind
		// whenever this command ends.
		if err := u.Kubeconfig.Plan(u.context()); err != nil {
			return err
		}
	}
	u.Complete, u.ImageID = true, u.imageID
	if err := u.keep(); err != nil || there {
		return err
	}
	return u.Kubeconfig.Install(ctx, u.context(), u.access)
}

// keep writes the settings, where they are others than before.
func (u *up) keep() error {
	now, err := state.EncodeSettings(u.settings)
	if err != nil {
		return err
	}
	before, err := state.EncodeSettings(u.place.settings)
	if err != nil {
		return err
	}
	if slices.Equal(now, before) && u.known {
		return nil
	}
	if err := state.SaveSettings(u.dir, u.settings); err != nil {
		return err
	}
	return u.writeMark(u.settings)
}

func (u *up) summary() (cluster.Summary, error) {
	_, current, err := u.Kubeconfig.Installed(u.context(), u.access)
	return cluster.Summary{
		Context: u.context(), Current: current, Changed: u.changed, Created: !u.found, Sample: u.Sample,
	}, err
}
