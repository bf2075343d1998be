package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Down implements cluster.Driver.
func (d *Driver) Down(ctx context.Context, name string, steps *cluster.Steps) (bool, error) {
	release, err := state.Lock(ctx, d.Getenv, name, steps)
	if err != nil {
		return false, err
	}
	defer release()
	here, err := d.look(ctx, name, detailLogger{steps})
	switch {
	case err != nil && here.stored:
		return true, fail.As(err).WithFix("start %s, then: kubectl tlsgw dev-down --name %s", cmp.Or(here.settings.Engine, "it"), name).
			WithOutcome("nothing was changed: only its engine can remove the dev cluster")
	case err != nil:
		return false, err
	case here.node != nil && !here.ours():
		if here.stored { // it was ours once, and has gone
			return true, errors.Join(here.forgetOurs(ctx), here.notOurs())
		}
		return false, here.notOurs()
	case here.node == nil && !here.stored:
		return false, nil
	}
	steps.Header("Deleting dev cluster %q (driver kind: %s)", name, here.engine)
	var current string
	err = steps.Run(ctx, "containers, context and state", func(ctx context.Context) (done cluster.Done, err error) {
		current, err = here.remove(ctx)
		return done, err
	})
	if err != nil {
		return true, withOutcome(err, "what could not be removed is still there: run dev-down again")
	}
	if here.brokenErr != nil {
		steps.Say("Its settings could not be read, so your kubeconfig was left as it is: kubectl config delete-context %s", here.context())
	}
	if current != "" {
		steps.Say("Current context is %s.", current)
	}
	return true, nil
}

func (p *place) notOurs() error {
	return fail.Failed("the kind cluster %q (container %s) was not made by dev-up, and was left alone", p.name, p.node).
		WithFix("%s    # if nobody needs it", p.deletion())
}

func (p *place) context() string { return cluster.ContextName(cluster.DriverKind, p.name) }

// remove takes away all of a cluster: the state last, so that dev-down can be
// repeated while anything is there. It returns the context that is current
// afterwards.
func (p *place) remove(ctx context.Context) (current string, err error) {
	if err := p.provider.Delete(p.name, p.dir.Path(kubeconfigFile)); err != nil {
		return "", fmt.Errorf("delete the containers of cluster %q: %w", p.name, shortened(err))
	}
	if others, err := p.provider.List(); err == nil && len(others) == 0 && p.settings.Network {
		p.engine.removeNetwork(ctx)
	}
	return p.forget(ctx)
}

// forget undoes what was done to this machine's files.
func (p *place) forget(ctx context.Context) (current string, err error) {
	if current, _, err = p.settings.Kubeconfig.Remove(ctx, p.context()); err != nil {
		return "", err
	}
	return current, p.dir.Remove()
}

// forgetOurs is forget where somebody has made a cluster of that name since: the
// context of that name stays, unless it is the one of ours.
func (p *place) forgetOurs(ctx context.Context) error {
	if ours, err := clientcmd.LoadFromFile(p.dir.Path(kubeconfigFile)); err == nil {
		if there, _, err := p.settings.Kubeconfig.Installed(p.context(), ours); err == nil && there {
			_, err := p.forget(ctx)
			return err
		}
	}
	return p.dir.Remove()
}

// withOutcome adds to an error what became of the cluster.
func withOutcome(err error, what string) error {
	if err == nil {
		return nil
	}
	return fail.As(err).WithOutcome(what)
}
