// Package state is where a dev cluster keeps, on this machine, what a later
// dev-up or dev-down must know of it: one folder for each cluster and driver,
// and one lock for each name.
package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/daemon"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Folders are the user's alone, and so are files: some hold keys.
const (
	DirMode  = 0o700
	FileMode = 0o600
)

// Root is the folder of all clusters, as the XDG base directory specification
// has it.
func Root(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kubectl-tlsgw"), nil
	}
	if home := kubeconfig.Home(getenv); home != "" {
		return filepath.Join(home, ".local", "state", "kubectl-tlsgw"), nil
	}
	return "", fail.Failed("no folder to keep the state of a dev cluster in: neither XDG_STATE_HOME nor HOME (on Windows USERPROFILE) is set")
}

// Dir is the folder of one cluster of one driver. A cluster name has no dot:
// the folders of two clusters never meet.
type Dir string

// DirOf is the folder of a cluster, which need not exist.
func DirOf(getenv func(string) string, driver, name string) (Dir, error) {
	root, err := Root(getenv)
	if err != nil {
		return "", err
	}
	if driver != cluster.DriverLocal {
		name += "." + driver
	}
	return Dir(filepath.Join(root, name)), nil
}

// Lock takes the lock of the clusters of that name, of all drivers: they are
// after the same ports and the same kubeconfig. While another command holds
// it, a line says so. The function gives it up.
func Lock(ctx context.Context, getenv func(string) string, name string, steps *cluster.Steps) (func(), error) {
	root, err := Root(getenv)
	if err != nil {
		return nil, err
	}
	waiting := func() {
		steps.Say("Another dev-up or dev-down of %q is running: waiting for it.", name)
	}
	var lock *daemon.Lock
	for lock == nil {
		if err := os.MkdirAll(root, DirMode); err != nil {
			return nil, fmt.Errorf("make the state folder: %w", err)
		}
		lock, err = daemon.Acquire(ctx, filepath.Join(root, name+".lock"), waiting)
		// Whoever held it before has removed the folder too.
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		waiting = nil
	}
	return func() {
		_ = lock.Release()  // it ends with this process anyway
		_ = os.Remove(root) // only when no cluster is left
	}, nil
}

// Exists tells whether the folder is there.
func (d Dir) Exists() bool {
	_, err := os.Stat(string(d))
	return err == nil
}

// Path is a path in the folder.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Make makes the folder, and those in it.
func (d Dir) Make(folders ...string) error {
	for _, folder := range append([]string{""}, folders...) {
		if err := os.MkdirAll(d.Path(folder), DirMode); err != nil {
			return fmt.Errorf("make the state folder: %w", err)
		}
	}
	return nil
}

// Write puts a file into the folder at once or not at all.
func (d Dir) Write(content []byte, elem ...string) error {
	path := d.Path(elem...)
	if err := os.WriteFile(path+".new", content, FileMode); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// Remove removes the folder.
func (d Dir) Remove() error {
	if err := os.RemoveAll(string(d)); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return nil
}
