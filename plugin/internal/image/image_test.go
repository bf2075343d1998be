package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
)

// build compiles a program and returns its path. It is for Linux on amd64, and
// static, unless env says otherwise.
func build(t *testing.T, what string, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, what)
	command.Env = append(os.Environ(), append([]string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS="}, env...)...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", what, err, out)
	}
	return path
}

func mustBuild(t *testing.T, path string) *image.Image {
	t.Helper()
	binary, err := image.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(binary)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func archive(t *testing.T, i *image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := i.WriteArchive(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSameBinarySameImage(t *testing.T) {
	t.Parallel()
	first := build(t, "./testdata/program")
	content, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	// The same bytes, with another name, mode and time.
	second := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(second, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(second, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	one, two := mustBuild(t, first), mustBuild(t, second)
	if one.ID != two.ID || one.Ref != two.Ref {
		t.Errorf("the same binary makes %s and %s", one.Ref, two.Ref)
	}
	if !bytes.Equal(archive(t, one), archive(t, two)) {
		t.Error("the same binary makes two archives")
	}
	if want := image.Repository + ":" + strings.TrimPrefix(one.ID, "sha256:")[:12]; one.Ref != want {
		t.Errorf("Ref is %s, want %s", one.Ref, want)
	}
	other := mustBuild(t, build(t, "./testdata/program", "GOFLAGS=-ldflags=-s"))
	if one.ID == other.ID {
		t.Error("another binary makes the same image")
	}
}

func TestImageHasTheProgramAndNothingElse(t *testing.T) {
	t.Parallel()
	path := build(t, "./testdata/program")
	written := archive(t, mustBuild(t, path))
	read, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(written)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err != nil {
		t.Errorf("the image is not valid: %v", err)
	}
	config, err := read.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{Entrypoint: []string{"/kubectl-tlsgw"}, User: "65532:65532", WorkingDir: "/"}
	got := config.Config
	if got.Labels["org.opencontainers.image.source"] != "https://github.com/tlsgw/kubectl-tlsgw" {
		t.Errorf("labels are %v", got.Labels)
	}
	got.Labels = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || config.Created.Unix() > 0 {
		t.Errorf("it is for %s/%s, made %s", config.OS, config.Architecture, config.Created)
	}
	checkLayer(t, read, path)
}

func checkLayer(t *testing.T, read v1.Image, path string) {
	t.Helper()
	layers, err := read.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	files, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	entries := tar.NewReader(files)
	header, err := entries.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "kubectl-tlsgw" || header.Mode != 0o555 || header.Uid != 0 || header.ModTime.Unix() != 0 {
		t.Errorf("the file is %+v", header)
	}
	content, err := io.ReadAll(entries)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(content, want) {
		t.Errorf("the file is not the program (%v)", err)
	}
	if _, err := entries.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("there is a second file (%v)", err)
	}
}

// The program is streamed: an image far larger than a buffer takes no more
// memory.
func TestImageIsStreamed(t *testing.T) { //nolint:paralleltest // it measures memory
	const size = 256 << 20
	path := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	built, err := image.Build(image.Binary{Path: path, Arch: "amd64", Size: size})
	if err != nil {
		t.Fatal(err)
	}
	if err := built.WriteArchive(io.Discard); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d MB were allocated for %d", used>>20, size>>20)
	}
}

// A binary that is replaced while its image is written must not make an image
// whose digest is a lie.
func TestChangedBinaryIsNoticed(t *testing.T) {
	t.Parallel()
	path := build(t, "./testdata/program")
	built := mustBuild(t, path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, changed := range map[string][]byte{
		"shorter": content[:len(content)-1],
		"longer":  append(bytes.Clone(content), 0),
		"other":   append(bytes.Clone(content[:len(content)-1]), ^content[len(content)-1]),
	} {
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := built.WriteArchive(io.Discard); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: WriteArchive() = %v", name, err)
		}
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		path string
		arch string
		want error
		says string
	}{
		"ours":            {path: build(t, "./testdata/program"), arch: "amd64"},
		"arm64":           {path: build(t, "./testdata/program", "GOARCH=arm64"), arch: "arm64"},
		"darwin":          {path: build(t, "./testdata/program", "GOOS=darwin"), want: image.ErrNotLinux},
		"freebsd":         {path: build(t, "./testdata/program", "GOOS=freebsd"), want: image.ErrNotLinux},
		"script":          {path: text, want: image.ErrNotLinux},
		"somebody else's": {path: build(t, "cmd/gofmt"), want: image.ErrNotOurs},
		"dynamic":         {path: "/bin/ls", want: image.ErrNotStatic},
		"missing":         {path: filepath.Join(dir, "missing"), want: os.ErrNotExist},
		"a folder":        {path: dir, says: "is not a file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := image.Inspect(tt.path)
			switch {
			case tt.want == nil && tt.says == "":
				if err != nil || binary.Arch != tt.arch || binary.Size == 0 {
					t.Errorf("Inspect() = %+v, %v", binary, err)
				}
			case err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says):
				t.Errorf("Inspect() = %+v, %v", binary, err)
			case !strings.Contains(err.Error(), tt.path):
				t.Errorf("%q does not name the file", err)
			}
		})
	}
}
