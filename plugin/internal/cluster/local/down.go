package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/daemon"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
)

// Down implements cluster.Driver.
func (d *Driver) Down(ctx context.Context, name string, steps *cluster.Steps) (bool, error) {
	dir, release, err := d.open(ctx, name, steps)
	if err != nil {
		return false, err
	}
	defer release()
	if !dir.Exists() {
		return false, nil
	}
	// Without readable settings the processes can still be stopped.
	stored, _, settingsErr := state.LoadSettings[settings](dir.Dir)
	steps.Header("Deleting dev cluster %q (driver local)", name)
	contextName := cluster.ContextName(cluster.DriverLocal, name)
	var removed removal
	err = steps.Run(ctx, "processes, context and state", func(ctx context.Context) (cluster.Done, error) {
		removed, err = dir.remove(ctx, contextName, stored.Kubeconfig)
		return cluster.Done{Title: removed.title()}, err
	})
	if err != nil {
		return true, outcome(errors.Join(err, settingsErr), "what could not be removed is still there: run dev-down again")
	}
	if settingsErr != nil {
		steps.Say("Its settings could not be read, so your kubeconfig was left as it is: kubectl config delete-context %s", contextName)
	}
	steps.Say("%s", removed.rest(contextName, dir))
	if removed.current != "" {
		steps.Say("Current context is again %s.", removed.current)
	}
	return true, nil
}

// removal says what was removed.
type removal struct {
	stopped []string
	// context is true when the kubeconfig had our context; current is what
	// is current now.
	context bool
	current string
}

func (r removal) title() string {
	if len(r.stopped) == 0 {
		return "nothing was running"
	}
	return "stopped " + strings.Join(r.stopped, ", ")
}

// rest is what was removed beside the processes.
func (r removal) rest(contextName string, dir stateDir) string {
	if r.context {
		return fmt.Sprintf("Removed context %s and %s.", contextName, dir.Dir)
	}
	return fmt.Sprintf("Removed %s.", dir.Dir)
}

// remove stops every recorded process, then takes away the context and the
// folder. The folder goes last: while it is there, dev-down can be repeated.
func (s stateDir) remove(ctx context.Context, contextName string, k kubeconfig.Change) (removal, error) {
	var removed removal
	var err error
	if removed.stopped, err = s.stopAll(ctx); err != nil {
		return removed, err
	}
	if removed.current, removed.context, err = k.Remove(ctx, contextName); err != nil {
		return removed, err
	}
	return removed, s.Remove()
}

func (s stateDir) stopAll(ctx context.Context) ([]string, error) {
	records, err := filepath.Glob(s.record("*"))
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	stopped, failures := make([]bool, len(records)), make([]error, len(records))
	var stopping sync.WaitGroup
	for i, file := range records {
		stopping.Go(func() {
			record, err := daemon.Load(file)
			if err != nil {
				failures[i] = err
				return
			}
			stopped[i], failures[i] = record.Stop(ctx, stopGrace)
		})
	}
	stopping.Wait()
	var names []string
	for i, file := range records {
		if stopped[i] {
			names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
		}
	}
	return names, errors.Join(failures...)
}
