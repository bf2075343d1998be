// Command make makes a release of this program, and pushes its image:
//
//	go run ./plugin/internal/release/make -version v1.2.3 -out dist/v1.2.3
//	go run ./plugin/internal/release/make -version v1.2.3 -out dist/v1.2.3 -push ghcr.io/tlsgw/kubectl-tlsgw
//
// A clean work tree whose commit has the version's tag goes in. Out come an
// archive for each target, the image of the controller, and the checksums of
// them all: the same bytes whenever and wherever the same Go makes them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	m := maker{targets: release.Targets(), log: log.Printf}
	flag.StringVar(&m.version, "version", "", "what to release, as v1.2.3: a tag of the commit")
	flag.StringVar(&m.out, "out", "", "the folder of the release, which is made anew")
	flag.StringVar(&m.root, "root", ".", "the work tree")
	flag.StringVar(&m.source, "package", "./cmd/kubectl-tlsgw", "the program")
	push := flag.String("push", "", "push the image of the release that is in -out to this repository")
	flag.Parse()
	err := m.run(ctx, *push)
	stop()
	if err != nil {
		log.Fatal("error: ", err)
	}
}

// maker makes one release.
type maker struct {
	version, out string
	// root is the work tree, source the package of the program in it.
	root, source string
	targets      []release.Target
	log          func(format string, args ...any)
}

// run makes the release, or, when push is a repository, pushes its image.
func (m *maker) run(ctx context.Context, push string) error {
	if !release.Is(m.version) {
		return fmt.Errorf("%q is not the version of a release: write it as v1.2.3 or v1.2.3-rc.1 (make release VERSION=v1.2.3)", m.version)
	}
	if m.out == "" {
		return fmt.Errorf("-out is missing: write a folder, as dist/%s", m.version)
	}
	if push != "" {
		return m.push(ctx, push)
	}
	return m.make(ctx)
}

// make makes the folder complete, or leaves it as it was.
func (m *maker) make(ctx context.Context) error {
	out := filepath.Clean(m.out)
	part := out + ".part"
	if err := replaceable(out); err != nil {
		return err
	}
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("make a release: %w", err)
	}
	defer os.RemoveAll(part) //nolint:errcheck // gone when all went well
	built, err := m.buildAll(ctx, filepath.Join(part, "programs"))
	if err != nil {
		return err
	}
	files := filepath.Join(part, "files")
	if err := os.Mkdir(files, dirMode); err != nil {
		return fmt.Errorf("make a release: %w", err)
	}
	for _, b := range built {
		if err := m.pack(b, files); err != nil {
			return fmt.Errorf("pack %s: %w", b.target, err)
		}
	}
	if err := m.writeImage(built, filepath.Join(part, "layout"), filepath.Join(files, release.ImageFile(m.version))); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	if err := writeChecksums(files); err != nil {
		return fmt.Errorf("write checksums: %w", err)
	}
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("make a release: %w", err)
	}
	if err := os.Rename(files, out); err != nil {
		return fmt.Errorf("make a release: %w", err)
	}
	m.log("%s is in %s", m.version, out)
	return nil
}

// replaceable refuses to take away a folder that is not of an earlier release.
func replaceable(out string) error {
	if _, err := os.Stat(out); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(out, release.Checksums)); err != nil {
		return fmt.Errorf("%s is there and is no release: remove it, or choose another -out", out)
	}
	return nil
}

// writeChecksums writes the checksums of all files of a folder, which
// `sha256sum --check` reads.
func writeChecksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries { // sorted
		sum, err := checksum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, entry.Name())
	}
	return os.WriteFile(filepath.Join(dir, release.Checksums), []byte(sums.String()), fileMode)
}
