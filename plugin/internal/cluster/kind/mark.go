package kind

import (
	"context"
	"errors"
	"fmt"
	"slices"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// markFile is a file in the node of a cluster that dev-up made, with its
// settings. It can be read while the node is stopped, and by another user of
// the same engine.
const markFile = "/kind/tlsgw-dev.json"

// place is what there is of one name: on this machine, and in the engine.
type place struct {
	name     string
	dir      state.Dir
	engine   *Engine
	provider *kindcluster.Provider

	// stored is true when this machine has settings, or what is left of them:
	// then brokenErr says why they cannot be read.
	stored    bool
	settings  settings
	brokenErr error

	node nodes.Node // nil when there is no container
	// mark is what the node says, when marked.
	marked bool
	mark   settings
}

// ours tells whether a cluster of that name was made by dev-up. One without a
// mark is so when its making was interrupted.
func (p *place) ours() bool {
	return p.node != nil && (p.marked || p.stored && !p.settings.Marked)
}

// look finds out what there is of a name. The error is the engine's, also when
// there are settings.
func (d *Driver) look(ctx context.Context, name string, logger log.Logger) (*place, error) {
	p := &place{name: name}
	var err error
	if p.dir, err = state.DirOf(d.Getenv, d.Name(), name); err != nil {
		return p, err
	}
	p.settings, p.stored, p.brokenErr = loadSettings(p.dir)
	p.stored = p.stored || p.dir.Exists()
	if p.engine, err = d.engineFor(ctx, p.settings.Engine); err != nil {
		return p, err
	}
	p.provider = p.engine.provider(logger)
	all, err := p.provider.ListNodes(name)
	if err != nil {
		return p, fmt.Errorf("list the containers of cluster %q: %w", name, shortened(err))
	}
	planes, err := nodeutils.ControlPlaneNodes(all)
	if err != nil {
		return p, fmt.Errorf("list the containers of cluster %q: %w", name, shortened(err))
	}
	switch {
	case len(planes) > 0:
		p.node = planes[0]
	case len(all) > 0: // workers of somebody's
		p.node = all[0]
	default:
		return p, nil
	}
	content, found, err := p.engine.read(ctx, p.node.String(), markFile)
	if err != nil || !found {
		return p, err
	}
	p.mark, err = decodeSettings(content)
	p.marked = true
	if err == nil && !p.stored {
		// The settings of this machine are lost, or another user's.
		p.settings = p.mark
		p.settings.Kubeconfig.Files, err = kubeconfig.Files(d.Getenv, "")
	}
	return p, err
}

// engineFor keeps to the engine that a cluster was made with.
func (d *Driver) engineFor(ctx context.Context, made string) (*Engine, error) {
	if d.Engine != nil && (made == "" || made == d.Engine.Name) {
		return d.Engine, nil
	}
	if made == "" {
		return Detect(ctx, d.Getenv)
	}
	return Detect(ctx, func(string) string { return made })
}

// refuse says that a cluster of that name is somebody else's.
func (p *place) refuse() error {
	return fail.Failed("there is a kind cluster %q already (container %s), and dev-up did not make it", p.name, p.node).
		WithFix("kubectl tlsgw dev-up --name %s-dev    # or, if nobody needs it: kind delete cluster --name %[1]s", p.name)
}

// writeMark writes the settings into the node.
func (p *place) writeMark(s settings) error {
	s.Kubeconfig = kubeconfig.Change{} // this machine's affair
	content, err := s.encode()
	if err != nil {
		return err
	}
	if err := nodeutils.WriteFile(p.node, markFile, string(content)); err != nil {
		return fmt.Errorf("mark the cluster as made by dev-up: %w", shortened(err))
	}
	return nil
}

// find refreshes node after the cluster was made.
func (p *place) find() error {
	all, err := p.provider.ListNodes(p.name)
	if err == nil && len(all) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return fmt.Errorf("find the container of cluster %q: %w", p.name, shortened(err))
	}
	i := slices.IndexFunc(all, func(n nodes.Node) bool { role, err := n.Role(); return err == nil && role == "control-plane" })
	p.node = all[max(i, 0)]
	return nil
}
