package image

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

const (
	// program is the name of the file in a release archive.
	program = release.Program
	// maxProgram bounds what is unpacked, in bytes.
	maxProgram = 1 << 30

	cacheMode = 0o755
)

// download gets the Linux binary of this version, once.
func (s Source) download(ctx context.Context, arch string) (Binary, error) {
	target := filepath.Join(s.Cache, fmt.Sprintf("%s-%s-linux-%s", program, s.Version, arch))
	if binary, err := Inspect(target); err == nil && binary.Arch == arch {
		return binary, nil
	}
	if err := os.MkdirAll(s.Cache, cacheMode); err != nil {
		return Binary{}, fmt.Errorf("make cache: %w", err)
	}
	archive := release.Target{OS: "linux", Arch: arch}.Archive(s.Version)
	want, err := s.checksum(ctx, archive)
	if err != nil {
		return Binary{}, err
	}
	part, err := os.CreateTemp(s.Cache, program+".part")
	if err != nil {
		return Binary{}, fmt.Errorf("write to cache: %w", err)
	}
	defer os.Remove(part.Name()) //nolint:errcheck // gone when all went well
	if err := errors.Join(s.fetch(ctx, archive, want, part), part.Close()); err != nil {
		return Binary{}, err
	}
	binary, err := Inspect(part.Name())
	if err != nil {
		return Binary{}, fmt.Errorf("%s of %s: %w", program, archive, err)
	}
	if binary.Arch != arch {
		return Binary{}, fmt.Errorf("%s has a program for %s, not %s", archive, binary.Arch, arch)
	}
	if err := os.Rename(part.Name(), target); err != nil {
		return Binary{}, fmt.Errorf("write to cache: %w", err)
	}
	return Inspect(target)
}

// fetch unpacks the program of an archive into w, and fails when the archive
// is not the one that was released.
func (s Source) fetch(ctx context.Context, archive, want string, w io.Writer) error {
	body, err := s.get(ctx, archive)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // only read
	sum := sha256.New()
	reader := io.TeeReader(body, sum)
	if err := unpack(reader, w); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return fmt.Errorf("download %s: %w", archive, err)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != want {
		return fmt.Errorf("%s has checksum %s, and %s says %s", archive, got, release.Checksums, want)
	}
	return nil
}

func unpack(r io.Reader, w io.Writer) error {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	files := tar.NewReader(unzipped)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("there is no %s in it", program)
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeReg && path.Base(header.Name) == program {
			_, err = io.Copy(w, io.LimitReader(files, maxProgram))
			return err
		}
	}
}

// checksum is what the release says of an archive.
func (s Source) checksum(ctx context.Context, archive string) (string, error) {
	body, err := s.get(ctx, release.Checksums)
	if err != nil {
		return "", err
	}
	defer body.Close() //nolint:errcheck // only read
	want, err := release.Checksum(body, archive)
	if err != nil {
		return "", fmt.Errorf("release %s: %w", s.Version, err)
	}
	return want, nil
}

func (s Source) get(ctx context.Context, file string) (io.ReadCloser, error) {
	url := cmp.Or(s.URL, release.URL) + "/" + s.Version + "/" + file
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	response, err := cmp.Or(s.Client, http.DefaultClient).Do(request)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", file, err)
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // its status says enough
		return nil, fmt.Errorf("download %s: %s", url, response.Status)
	}
	return response.Body, nil
}
