package devup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/binaries"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kind"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/local"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
)

const driverUsage = "where the cluster runs: kind (containers), local (processes of this machine), or auto"

// drivers are all there are.
type drivers struct {
	kind  *kind.Driver
	local *local.Driver
}

func newDrivers() (drivers, error) {
	executable, err := os.Executable()
	if err != nil {
		return drivers{}, fmt.Errorf("find this very binary, to run it as the controller: %w", err)
	}
	program := image.Source{Executable: executable}
	if info, ok := debug.ReadBuildInfo(); ok {
		program.Version = info.Main.Version
	}
	if cache, err := os.UserCacheDir(); err == nil {
		program.Cache = filepath.Join(cache, "kubectl-tlsgw")
	}
	return drivers{
		kind: &kind.Driver{Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader, Program: program},
		local: &local.Driver{
			Getenv: os.Getenv, OS: runtime.GOOS, Executable: executable, SampleArgs: []string{"dev-up", sampleVerb},
			Now: time.Now, Rand: rand.Reader, Download: binaries.Releases(),
		},
	}, nil
}

// named gives the driver of that name; nil for auto.
func (d drivers) named(name string) (cluster.Driver, error) {
	switch name {
	case cluster.DriverAuto:
		return nil, nil
	case cluster.DriverKind:
		return d.kind, nil
	case cluster.DriverLocal:
		return d.local, nil
	}
	return nil, fail.Usage("--driver %q is unknown: write one of %s, %s, %s", name, cluster.DriverAuto, cluster.DriverKind, cluster.DriverLocal).
		WithFix("leave out --driver, or write: --driver %s", cluster.DriverLocal)
}

// driverFor gives the driver of that name. For auto it is the one that has a
// cluster of that name; else kind where an engine answers, else local, and why
// says so.
func driverFor(ctx context.Context, name, clusterName string) (driver cluster.Driver, why string, err error) {
	all, err := newDrivers()
	if err != nil {
		return nil, "", err
	}
	if driver, err = all.named(name); driver != nil || err != nil {
		return driver, "", err
	}
	if there, err := all.local.Exists(ctx, clusterName); err != nil || there {
		return all.local, "", err
	}
	engine, err := kind.Detect(ctx, os.Getenv)
	if err == nil {
		all.kind.Engine = engine
		return all.kind, "", nil
	}
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	if there, existsErr := all.kind.Stored(clusterName); there || existsErr != nil {
		// A cluster that cannot be reached now is not made a second time.
		return nil, "", errors.Join(existsErr, fail.As(err).WithOutcome(fmt.Sprintf("dev cluster %q needs it; nothing was changed", clusterName)))
	}
	if why, err = withoutEngine(all.local, err); err != nil {
		return nil, "", err
	}
	return all.local, why, nil
}

// withoutEngine says why driver local takes the place of kind, or, where that
// does not run, what to do about the engine.
func withoutEngine(other *local.Driver, engineErr error) (why string, err error) {
	if unfit := other.CheckOS(); unfit != nil {
		return "", fail.Failed("%w", engineErr).WithDetail("%v", unfit).
			WithFix("install and start Docker Desktop, then: kubectl tlsgw dev-up").WithOutcome("nothing was changed")
	}
	why, _, _ = strings.Cut(engineErr.Error(), ":")
	return why, nil
}

// driversWith are those that have a cluster of that name.
func driversWith(ctx context.Context, name, clusterName string) ([]cluster.Driver, error) {
	all, err := newDrivers()
	if err != nil {
		return nil, err
	}
	if driver, err := all.named(name); driver != nil || err != nil {
		return []cluster.Driver{driver}, err
	}
	var with []cluster.Driver
	for _, driver := range []cluster.Driver{all.kind, all.local} {
		there, err := driver.Exists(ctx, clusterName)
		if err != nil {
			return nil, err
		}
		if there {
			with = append(with, driver)
		}
	}
	return with, nil
}
