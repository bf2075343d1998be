package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

// built is the program for one target.
type built struct {
	target release.Target
	path   string
	// made is the time of the commit: that of all files.
	made time.Time
}

// buildAll builds the program for all targets, each in a folder of its own.
func (m *maker) buildAll(ctx context.Context, dir string) ([]built, error) {
	all := make([]built, 0, len(m.targets))
	dir, err := filepath.Abs(dir) // go build runs in the work tree
	if err != nil {
		return nil, fmt.Errorf("make a release: %w", err)
	}
	for _, target := range m.targets {
		m.log("building %s for %s", release.Program, target)
		b := built{target: target, path: filepath.Join(dir, target.OS+"_"+target.Arch, target.Program())}
		if err := m.build(ctx, b); err != nil {
			return nil, fmt.Errorf("build for %s: %w", target, err)
		}
		if b.made, err = m.check(b); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// build makes a static binary that depends on the commit and on the version of
// Go, and on nothing else of this machine.
func (m *maker) build(ctx context.Context, b built) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w", "-o", b.path, m.source)
	command.Dir = m.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+b.target.OS, "GOARCH="+b.target.Arch,
		"GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// check makes sure that the binary says of itself that it is this release: by
// what Go recorded, the plugin finds its archives and its image.
func (m *maker) check(b built) (made time.Time, err error) {
	info, err := buildinfo.ReadFile(b.path)
	if err != nil {
		return made, fmt.Errorf("read what was built: %w", err)
	}
	if got := info.Main.Version; got != m.version {
		return made, fmt.Errorf("the program that was built is %s, not %s: a release is made of a work tree "+
			"without changes, at a commit with its tag (git tag %[2]s)", got, m.version)
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if made, err = time.Parse(time.RFC3339Nano, s.Value); err != nil {
				return made, fmt.Errorf("read the time of the commit: %w", err)
			}
		}
	}
	return made.UTC(), nil
}
