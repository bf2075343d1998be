// Package kind is the driver that runs a dev cluster in containers: a cluster
// of one node made by kind's library, the controller from an image that is
// made of this very binary, the dev Gateway behind a port of this machine, and
// the sample backend. Options go in; a cluster as a user's is, and a
// kubeconfig context come out.
//
// up.go is the way from nothing, or from whatever there is, to a cluster that
// works; down.go the way back. What needs nothing of each other happens at the
// same time: see work.go. Whose cluster it is and how it was made stands in a
// file in its node (mark.go); what was done to the user's kubeconfig, in a
// folder of this machine (settings.go).
package kind

import (
	"context"
	"io"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
)

// DefaultNodeImage has Kubernetes 1.34, the newest that runs with cgroup v1
// too.
const DefaultNodeImage = "kindest/node:v1.34.4"

// Driver makes dev clusters in containers.
type Driver struct {
	// Getenv is os.Getenv outside of tests.
	Getenv func(string) string
	Now    func() time.Time
	Rand   io.Reader
	// Program is what the controller's image is made of.
	Program image.Source
	// Engine runs the containers; nil means to find one.
	Engine *Engine
}

var _ cluster.Driver = (*Driver)(nil)

// Name implements cluster.Driver.
func (*Driver) Name() string { return cluster.DriverKind }

// Exists implements cluster.Driver. An engine that does not answer has no
// cluster, unless one was made with it.
func (d *Driver) Exists(ctx context.Context, name string) (bool, error) {
	here, err := d.look(ctx, name, quiet{})
	if here.stored {
		return true, nil
	}
	if err != nil && here.engine == nil && ctx.Err() == nil {
		return false, nil
	}
	return here.ours(), err
}

// Stored tells whether this machine has settings of such a cluster. It asks no
// engine.
func (d *Driver) Stored(name string) (bool, error) {
	dir, err := state.DirOf(d.Getenv, d.Name(), name)
	return dir.Exists(), err
}
