// Package image makes container images for tests, without a container engine
// and without a registry. A static program comes in; an archive with an image
// of nothing else comes out, under all the names that a cluster may ask for.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	// file is the one of the image.
	file = "program"
	// user is nobody's number.
	user = "65532:65532"
	mode = 0o755
)

// Archive makes an image archive with nothing but a program, which runs as
// nobody, under each of the references.
func Archive(program []byte, references ...string) ([]byte, error) {
	image, err := of(program)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	names := map[name.Tag]v1.Image{}
	for _, reference := range references {
		tag, err := name.NewTag(reference, name.StrictValidation)
		if err != nil {
			return nil, fmt.Errorf("make image: %w", err)
		}
		names[tag] = image
	}
	var archive bytes.Buffer
	if err := tarball.MultiWrite(names, &archive); err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	return archive.Bytes(), nil
}

func of(program []byte) (v1.Image, error) {
	files, err := packed(program)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/" + file}, User: user}
	return mutate.ConfigFile(image, config)
}

// packed is a tar archive of the program.
func packed(program []byte) ([]byte, error) {
	var files bytes.Buffer
	writer := tar.NewWriter(&files)
	header := &tar.Header{Name: file, Mode: mode, Size: int64(len(program)), Typeflag: tar.TypeReg}
	if err := writer.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(program); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return files.Bytes(), nil
}
