package image

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a layer with the one file of the image. It is not compressed: it
// goes from this machine to a node of this machine, where that costs more time
// than it saves.
type layer struct {
	file   string
	size   int64
	digest v1.Hash
	// length is that of the tar stream, in bytes.
	length int64
}

var _ v1.Layer = (*layer)(nil)

// entrypointMode is all that a program needs.
const entrypointMode = 0o555

// newLayer reads the file once, for its digest.
func newLayer(binary Binary) (*layer, error) {
	l := &layer{file: binary.Path, size: binary.Size}
	sum := &counter{hash: sha256.New()}
	if err := l.write(sum); err != nil {
		return nil, err
	}
	l.digest = v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sum.hash.Sum(nil))}
	l.length = sum.n
	return l, nil
}

// counter hashes and counts.
type counter struct {
	hash hash.Hash
	n    int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.hash.Write(p)
}

// write gives the layer as a tar stream. Nothing but the bytes of the file
// differs from one image to the next.
func (l *layer) write(w io.Writer) error {
	file, err := os.Open(l.file)
	if err != nil {
		return unreadable(l.file, err)
	}
	defer file.Close() //nolint:errcheck // only read
	archive := tar.NewWriter(w)
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: path.Base(Entrypoint), Size: l.size, Mode: entrypointMode, Format: tar.FormatUSTAR,
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	// One byte more than the header says is an error too: the file changed.
	if _, err := io.Copy(archive, file); err != nil {
		return fmt.Errorf("write layer of %s: %w", l.file, err)
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write layer of %s: %w", l.file, err)
	}
	return nil
}

// Digest implements v1.Layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID implements v1.Layer.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size implements v1.Layer.
func (l *layer) Size() (int64, error) { return l.length, nil }

// MediaType implements v1.Layer.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed implements v1.Layer.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed implements v1.Layer: it streams from the file.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() {
		sum := &counter{hash: sha256.New()}
		err := l.write(io.MultiWriter(writer, sum))
		if got := fmt.Sprintf("%x", sum.hash.Sum(nil)); err == nil && got != l.digest.Hex {
			err = errors.New(l.file + " has changed while it was read")
		}
		_ = writer.CloseWithError(err) // it never fails
	}()
	return reader, nil
}
