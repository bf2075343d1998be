package binaries

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/remote"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/versions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// KubeMinor is the minor version of the API server that is downloaded.
const KubeMinor = 34

// envtestDir is where setup-envtest keeps its downloads on Linux; sharing it
// spares a download to whoever uses both.
func (f Finder) envtestDir() string {
	if dir := f.userDir("XDG_DATA_HOME", filepath.Join(".local", "share")); dir != "" {
		return filepath.Join(dir, "kubebuilder-envtest", "k8s")
	}
	return ""
}

// Source lists and fetches archives with etcd and kube-apiserver.
type Source interface {
	remote.Client
}

// Releases is the Source that controller-runtime's envtest uses.
func Releases() Source { return &remote.HTTPClient{Log: logr.Discard()} }

// Download fetches the newest patch release of Kubernetes 1.KubeMinor for
// this machine, checks its hash, and keeps it in the folder of setup-envtest.
func (f Finder) Download(ctx context.Context, source Source) (Kube, error) {
	root := f.envtestDir()
	if root == "" {
		return Kube{}, fail.Failed("no folder to download etcd and kube-apiserver to: neither HOME nor XDG_DATA_HOME is set")
	}
	version, platform, err := newestRelease(ctx, source)
	if err != nil {
		return Kube{}, downloadError(err)
	}
	dir := filepath.Join(root, platform.BaseName(version))
	if err := fetch(ctx, source, version, platform, dir); err != nil {
		return Kube{}, downloadError(err)
	}
	return inFolder(dir, "download")
}

func downloadError(err error) error {
	return fail.Failed("etcd and kube-apiserver are not on this machine and could not be downloaded: %w", err).
		WithDetail("searched: --kube-assets, %s, PATH, the caches of make tools and setup-envtest", EnvKubeAssets).
		WithFix("in a clone of this project run: make tools    # builds both from Go modules; or give a folder that has both with --kube-assets")
}

func newestRelease(ctx context.Context, source Source) (versions.Concrete, versions.PlatformItem, error) {
	here := versions.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	sets, err := source.ListVersions(ctx)
	if err != nil {
		return versions.Concrete{}, versions.PlatformItem{}, err
	}
	// The newest comes first.
	for _, set := range sets {
		if set.Version.Major != 1 || set.Version.Minor != KubeMinor {
			continue
		}
		for _, platform := range set.Platforms {
			if platform.Platform == here {
				return set.Version, platform, nil
			}
		}
	}
	return versions.Concrete{}, versions.PlatformItem{}, fmt.Errorf("there is no release of Kubernetes 1.%d for %s", KubeMinor, here)
}

// fetch makes dir complete, or leaves it absent.
func fetch(ctx context.Context, source Source, version versions.Concrete, platform versions.PlatformItem, dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".download-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	archive, err := os.Create(filepath.Join(work, "archive")) // #nosec G304 -- in a folder made above
	if err != nil {
		return err
	}
	defer archive.Close() //nolint:errcheck // read back below, and removed
	if err := source.GetVersion(ctx, version, platform, archive); err != nil {
		return err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o750); err != nil {
		return err
	}
	if err := unpack(archive, out); err != nil {
		return fmt.Errorf("unpack Kubernetes %s: %w", version, err)
	}
	if err := os.Rename(out, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// maxProgram bounds what one entry of an archive may become.
const maxProgram = 512 << 20

// unpack puts every file of the archive flat into dir.
func unpack(archive io.Reader, dir string) error {
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	entries := tar.NewReader(zipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(entries, filepath.Join(dir, filepath.Base(header.Name))); err != nil {
			return err
		}
	}
}

func unpackFile(content io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) // #nosec G302 G304 -- a program, in a folder of ours
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(content, maxProgram+1))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && n > maxProgram {
		err = fmt.Errorf("%s is larger than %d MiB", filepath.Base(path), maxProgram>>20)
	}
	return err
}
