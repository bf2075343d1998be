package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

// untar gives the names in a .tar.gz, and the first file.
func untar(t *testing.T, archive []byte) (names []string, first []byte) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, nil
	}
	entries := tar.NewReader(zipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return names, first
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		if names = append(names, header.Name); len(names) == 1 {
			first = content
			if header.Mode != 0o755 || header.ModTime.Year() < 2020 {
				t.Errorf("%s has mode %o, made %s", header.Name, header.Mode, header.ModTime)
			}
		}
	}
}

// unzip gives the names in a .zip, and the first file.
func unzip(t *testing.T, archive []byte) (names []string, first []byte) {
	t.Helper()
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files.File {
		names = append(names, file.Name)
	}
	program, err := files.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if first, err = io.ReadAll(program); err != nil || !bytes.HasPrefix(first, []byte("MZ")) {
		t.Errorf("%s is no program of Windows (%v)", names[0], err)
	}
	return names, first
}

// onlyFile reads the one file of an image from the registry.
func onlyFile(t *testing.T, pushed v1.Image) []byte {
	t.Helper()
	layers, err := pushed.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	blob, err := layers[0].Compressed() // as it is: it is not compressed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	entries := tar.NewReader(blob)
	if _, err := entries.Next(); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(entries)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// linuxProgram is the released binary, and the ID of the image that dev-up makes
// of it.
func linuxProgram(t *testing.T, m *maker, arch string) (program []byte, id string) {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join(m.out, release.Target{OS: "linux", Arch: arch}.Archive(version)))
	if err != nil {
		t.Fatal(err)
	}
	_, program = untar(t, archive)
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, program, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := image.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(binary)
	if err != nil {
		t.Fatal(err)
	}
	return program, built.ID
}
