package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	dirMode     = 0o755
	fileMode    = 0o644
	programMode = 0o755

	license = "LICENSE"
)

// archive takes files. What it writes depends on what is given, and on nothing
// else of them.
type archive interface {
	io.Closer
	add(name string, mode fs.FileMode, file *os.File, size int64, made time.Time) error
}

// pack writes the archive of one target: its program, and the licence.
func (m *maker) pack(b built, dir string) error {
	return writeFile(filepath.Join(dir, b.target.Archive(m.version)), func(w io.Writer) error {
		into := tarGzip(w)
		if b.target.OS == "windows" {
			into = zipArchive{zip.NewWriter(w)}
		}
		return errors.Join(
			addFile(into, b.target.Program(), programMode, b.path, b.made),
			addFile(into, license, fileMode, filepath.Join(m.root, license), b.made),
			into.Close())
	})
}

// writeFile makes a file.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// addFile adds a file under another name.
func addFile(into archive, name string, mode fs.FileMode, path string, made time.Time) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return into.add(name, mode, file, info.Size(), made)
}

// tarArchive is a tar of files, with zipped around it or without.
type tarArchive struct {
	files  *tar.Writer
	zipped io.Closer
}

func tarGzip(w io.Writer) archive {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil { // it knows its own levels
		zipped = gzip.NewWriter(w)
	}
	return tarArchive{files: tar.NewWriter(zipped), zipped: zipped}
}

func (a tarArchive) add(name string, mode fs.FileMode, file *os.File, size int64, made time.Time) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), Size: size, ModTime: made.Truncate(time.Second), Format: tar.FormatUSTAR,
	}
	if err := a.files.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(a.files, file)
	return err
}

// Close implements io.Closer.
func (a tarArchive) Close() error {
	err := a.files.Close()
	if a.zipped == nil {
		return err
	}
	return errors.Join(err, a.zipped.Close())
}

type zipArchive struct{ files *zip.Writer }

func (a zipArchive) add(name string, mode fs.FileMode, file *os.File, _ int64, made time.Time) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: made}
	header.SetMode(mode)
	w, err := a.files.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}

// Close implements io.Closer.
func (a zipArchive) Close() error { return a.files.Close() }

// checksum is the SHA-256 of a file, in hexadecimal digits.
func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
