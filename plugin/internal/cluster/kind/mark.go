package kind

import (
	"cmp"
	"context"
	"fmt"

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

	// stored is true when this machine has settings, or what is left of them;
	// known when those could be read. Otherwise brokenErr may say why, unless
	// the node has them too.
	stored, known bool
	settings      settings
	brokenErr     error

	node nodes.Node // nil when there is no container
	// mark is what the node says, when marked.
	marked bool
	mark   settings
}

// ours tells whether a cluster of that name was made by dev-up. One without a
// mark is so when its making was interrupted: then this machine has settings
// that say so.
func (p *place) ours() bool {
	return p.node != nil && (p.marked || p.known && !p.settings.Marked)
}

// look finds out what there is of a name. The error is the engine's, also when
// there are settings.
func (d *Driver) look(ctx context.Context, name string, logger log.Logger) (*place, error) {
	p := &place{name: name}
	var err error
	if p.dir, err = state.DirOf(d.Getenv, d.Name(), name); err != nil {
		return p, err
	}
	p.settings, p.stored, p.brokenErr = state.LoadSettings[settings](p.dir)
	p.known = p.stored && p.brokenErr == nil
	p.stored = p.stored || p.dir.Exists()
	if p.engine, err = d.engineFor(ctx, p.settings.Engine); err != nil {
		return p, err
	}
	p.provider = p.engine.provider(logger)
	if p.node, err = p.findNode(); err != nil || p.node == nil {
		return p, err
	}
	content, found, err := p.engine.read(ctx, p.node.String(), markFile)
	if err != nil || !found {
		return p, err
	}
	return p, p.takeMark(content, d.Getenv)
}

// takeMark reads the mark, and takes what it says where the settings of this
// machine are lost, broken or another user's. brokenErr stays
// where the mark cannot be read either.
func (p *place) takeMark(content []byte, getenv func(string) string) (err error) {
	p.marked = true
	p.mark, err = state.DecodeSettings[settings](content)
	switch {
	case p.known:
		return nil
	case err != nil:
		p.brokenErr = cmp.Or(p.brokenErr, err)
		return nil
	}
	p.settings, p.brokenErr = p.mark, nil
	p.settings.Kubeconfig.Files, err = kubeconfig.Files(getenv, "")
	return err
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
	container := p.name + controlPlane
	if p.node != nil {
		container = p.node.String()
	}
	return fail.Failed("there is a kind cluster %q already (container %s), and dev-up did not make it", p.name, container).
		WithFix("kubectl tlsgw dev-up --name %s-dev    # or, if nobody needs it: %s", p.name, p.deletion())
}

// deletion is the command that deletes a cluster of kind's which is not ours.
func (p *place) deletion() string {
	return fmt.Sprintf("%s rm --force --volumes $(%[1]s ps --all --quiet --filter label=io.x-k8s.kind.cluster=%s)", p.engine.Name, p.name)
}

// writeMark writes the settings into the node.
func (p *place) writeMark(s settings) error {
	s.Kubeconfig = kubeconfig.Change{} // this machine's affair
	content, err := state.EncodeSettings(s)
	if err != nil {
		return err
	}
	if err := nodeutils.WriteFile(p.node, markFile, string(content)); err != nil {
		return fmt.Errorf("mark the cluster as made by dev-up: %w", shortened(err))
	}
	return nil
}

// findNode finds the container with the control plane, by its name; nil when
// there is none. A cluster without one, which is not ours, is any of its
// containers.
func (p *place) findNode() (nodes.Node, error) {
	all, err := p.provider.ListNodes(p.name)
	if err != nil {
		return nil, fmt.Errorf("list the containers of cluster %q: %w", p.name, shortened(err))
	}
	for _, node := range all {
		if node.String() == p.name+controlPlane {
			return node, nil
		}
	}
	if len(all) > 0 {
		return all[0], nil
	}
	return nil, nil
}

// controlPlane is what kind puts after the name of a cluster for that of its
// container.
const controlPlane = "-control-plane"
