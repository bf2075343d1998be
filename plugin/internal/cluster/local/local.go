// Package local is the driver that runs a dev cluster as processes of this
// machine: etcd, kube-apiserver, the controller (this very binary), one Envoy
// and a sample TLS backend. Options go in; running processes, one folder of
// state and a kubeconfig context come out.
//
// up.go is the way from nothing, or from whatever still runs, to a cluster
// that works; down.go the way back. A part is one of the processes; each has
// a file of its own that says with which arguments it runs and when it is
// well. Nothing listens beyond loopback.
package local

import (
	"context"
	"io"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/binaries"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Driver makes dev clusters out of processes.
type Driver struct {
	// Getenv is os.Getenv outside of tests.
	Getenv func(string) string
	// OS is the GOOS of this machine.
	OS string
	// Executable is the path of this very binary, which is run as the
	// controller, and as the sample where there is no nginx.
	Executable string
	// SampleArgs make Executable serve the sample that is described by the
	// file whose path follows them.
	SampleArgs []string
	Now        func() time.Time
	Rand       io.Reader
	// Download is where etcd and kube-apiserver come from when they are not
	// on this machine.
	Download binaries.Source
}

var _ cluster.Driver = (*Driver)(nil)

// Name implements cluster.Driver.
func (*Driver) Name() string { return cluster.DriverLocal }

// CheckOS fails on an operating system for which there is no Envoy.
func (d *Driver) CheckOS() error {
	if d.OS != "windows" {
		return nil
	}
	return fail.Failed("driver local does not run on Windows: there is no Envoy for it").
		WithFix("start Docker Desktop, then: kubectl tlsgw dev-up --driver kind").WithOutcome("nothing was changed")
}

func (d *Driver) finder() binaries.Finder { return binaries.Finder{Getenv: d.Getenv} }

// Exists implements cluster.Driver.
func (d *Driver) Exists(_ context.Context, name string) (bool, error) {
	dir, err := state.DirOf(d.Getenv, d.Name(), name)
	return dir.Exists(), err
}

// stateDir is the folder that holds everything of one cluster.
type stateDir struct{ state.Dir }

func (s stateDir) path(elem ...string) string { return s.Path(elem...) }

func (s stateDir) log(part string) string    { return s.path("log", part+".log") }
func (s stateDir) record(part string) string { return s.path("run", part+".json") }

// make creates the folder and those in it.
func (s stateDir) make() error {
	return s.Make("log", "run", "pki", "etcd", "envoy", "sample")
}

// write puts a file into the folder at once or not at all.
func (s stateDir) write(content []byte, elem ...string) error { return s.Write(content, elem...) }
