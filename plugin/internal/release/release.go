// Package release says what a release of this program is: which versions are
// releases, and what their files and their image are called. The program in
// make/ makes them so, the packages image and install rely on it.
package release

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

const (
	// Module is the path of the module that this program is built from.
	Module = "github.com/tlsgw/kubectl-tlsgw"
	// Program is its name, by which kubectl finds it.
	Program = "kubectl-tlsgw"
	// URL is below which the files of a version are, in a folder of its name.
	URL = "https://" + Module + "/releases/download"
	// Repository has the images of releases, each with its version as tag.
	Repository = "ghcr.io/tlsgw/kubectl-tlsgw"
	// Checksums is the file of a release with the SHA-256 of all others, in
	// the format of sha256sum.
	Checksums = "checksums.txt"
)

// Is tells whether a version is that of a release: not that of a commit or of
// a work tree. No other can be released, nor can v2.0.0 and later ones: Go knows
// those by another path of the module.
func Is(version string) bool {
	return regexp.MustCompile(`^v[01]\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$`).MatchString(version)
}

// Image is the reference of a version's image.
func Image(version string) string { return Repository + ":" + version }

// ImageFile is the file with a version's image, as an OCI layout in a tar.
func ImageFile(version string) string { return fmt.Sprintf("%s_%s_image.tar", Program, version) }

// Target is what a binary runs on, as GOOS and GOARCH.
type Target struct{ OS, Arch string }

// Targets are all that there are binaries for.
func Targets() []Target {
	return []Target{
		{"linux", "amd64"}, {"linux", "arm64"},
		{"darwin", "amd64"}, {"darwin", "arm64"},
		{"windows", "amd64"}, {"windows", "arm64"},
	}
}

func (t Target) String() string { return t.OS + "/" + t.Arch }

// Archive is the file with a version's binary and its licence.
func (t Target) Archive(version string) string {
	ending := "tar.gz"
	if t.OS == "windows" {
		ending = "zip"
	}
	return fmt.Sprintf("%s_%s_%s_%s.%s", Program, version, t.OS, t.Arch, ending)
}

// Program is the binary in the archive.
func (t Target) Program() string {
	if t.OS == "windows" {
		return Program + ".exe"
	}
	return Program
}

// Checksum finds the SHA-256 of a file, in hexadecimal digits, in a file of
// Checksums.
func Checksum(checksums io.Reader, file string) (string, error) {
	lines := bufio.NewScanner(checksums)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && strings.TrimPrefix(fields[1], "*") == file {
			return fields[0], nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read %s: %w", Checksums, err)
	}
	return "", fmt.Errorf("%s does not name %s", Checksums, file)
}
