package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

const (
	// annotationTag is where tools of OCI find the tag of an image of a
	// layout, annotationName where containerd finds its whole name.
	annotationTag  = "org.opencontainers.image.ref.name"
	annotationName = "io.containerd.image.name"
)

// writeImage writes the image of all Linux programs: for each architecture the
// very one that dev-up makes of that program. dir is for the layout.
func (m *maker) writeImage(all []built, dir, file string) error {
	var images []*image.Image
	for _, b := range all {
		if b.target.OS != "linux" {
			continue
		}
		binary, err := image.Inspect(b.path)
		if err != nil {
			return err
		}
		one, err := image.Build(binary)
		if err != nil {
			return err
		}
		images = append(images, one)
	}
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	names := map[string]string{annotationTag: m.version, annotationName: release.Image(m.version)}
	if err := to.AppendIndex(image.Index(images...), layout.WithAnnotations(names)); err != nil {
		return err
	}
	return writeFile(file, func(w io.Writer) error {
		into := tarArchive{files: tar.NewWriter(w)}
		return errors.Join(addFolder(into, dir, all[0]), into.Close())
	})
}

// addFolder adds all files below dir, in order.
func addFolder(into archive, dir string, b built) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return addFile(into, filepath.ToSlash(inside), fileMode, file, b.made)
	})
}

// push pushes the image of the release that is there, as REPOSITORY:VERSION.
// Who is allowed to is known from the configuration of docker or podman.
func (m *maker) push(ctx context.Context, repository string) error {
	to, err := name.NewRepository(repository, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("%s is no repository, as %s is one: %w", repository, release.Repository, err)
	}
	work, err := os.MkdirTemp("", release.Program)
	if err != nil {
		return fmt.Errorf("push %s: %w", m.version, err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // only a copy
	index, err := m.readImage(work)
	if err != nil {
		return fmt.Errorf("read the image of %s in %s (make release makes it): %w", m.version, m.out, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("read the image of %s: %w", m.version, err)
	}
	tag := to.Tag(m.version)
	m.log("pushing %s", tag)
	if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w", tag, err)
	}
	m.log("pushed %s@%s", tag, digest)
	return nil
}

// readImage unpacks the image of a release, as its checksums have it, into dir.
func (m *maker) readImage(dir string) (v1.ImageIndex, error) {
	file := filepath.Join(m.out, release.ImageFile(m.version))
	sums, err := os.Open(filepath.Join(m.out, release.Checksums))
	if err != nil {
		return nil, err
	}
	defer sums.Close() //nolint:errcheck // only read
	want, err := release.Checksum(sums, filepath.Base(file))
	if err != nil {
		return nil, err
	}
	got, err := checksum(file)
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, fmt.Errorf("%s has checksum %s, and %s says %s", file, got, release.Checksums, want)
	}
	if err := unpack(file, dir); err != nil {
		return nil, err
	}
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s has %d images", file, len(manifest.Manifests))
	}
	return all.ImageIndex(manifest.Manifests[0].Digest)
}

// unpack puts the files of a tar into a folder, and none elsewhere.
func unpack(file, dir string) error {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // only read
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only a handle
	files := tar.NewReader(from)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := root.MkdirAll(path.Dir(header.Name), dirMode); err != nil {
			return err
		}
		to, err := root.Create(header.Name)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, files) // #nosec G110 -- made by make, as its checksum says
		if err := errors.Join(err, to.Close()); err != nil {
			return err
		}
	}
}
