package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
)

// release serves the archives of one version, and counts the requests.
func release(t *testing.T, version string, files map[string][]byte) (*httptest.Server, *int) {
	t.Helper()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		content, found := files[strings.TrimPrefix(r.URL.Path, "/"+version+"/")]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	return server, &requests
}

// pack makes a release archive of a program.
func pack(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	for name, content := range map[string][]byte{"LICENSE": []byte("text"), "kubectl-tlsgw": content} {
		if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const archiveName = "kubectl-tlsgw_v1.2.3_linux_arm64.tar.gz"

func sums(archive []byte) []byte {
	return fmt.Appendf(nil, "%064x  other.tar.gz\n%x  %s\n", 1, sha256.Sum256(archive), archiveName)
}

func TestOwnBinaryComesFirst(t *testing.T) {
	t.Parallel()
	own := build(t, "./testdata/program")
	source := image.Source{Executable: own, Version: "v1.2.3", URL: "http://127.0.0.1:1"}
	binary, err := source.Binary(t.Context(), "", "amd64")
	if err != nil || binary.Path != own {
		t.Errorf("Binary() = %+v, %v", binary, err)
	}
	given := build(t, "./testdata/program", "GOARCH=arm64")
	if binary, err = source.Binary(t.Context(), given, "arm64"); err != nil || binary.Path != given {
		t.Errorf("Binary(given) = %+v, %v", binary, err)
	}
}

func TestReleaseIsDownloadedOnce(t *testing.T) {
	t.Parallel()
	packed := pack(t, build(t, "./testdata/program", "GOARCH=arm64"))
	server, requests := release(t, "v1.2.3", map[string][]byte{archiveName: packed, "checksums.txt": sums(packed)})
	source := image.Source{
		Executable: build(t, "./testdata/program"), Version: "v1.2.3", Cache: filepath.Join(t.TempDir(), "cache"), URL: server.URL,
	}
	if err := source.Check("", "arm64"); err != nil {
		t.Errorf("Check() = %v", err)
	}
	for range 2 {
		binary, err := source.Binary(t.Context(), "", "arm64")
		if err != nil || binary.Arch != "arm64" {
			t.Fatalf("Binary() = %+v, %v", binary, err)
		}
	}
	if *requests != 2 {
		t.Errorf("%d requests, want one for the archive and one for its checksum", *requests)
	}
	left, err := os.ReadDir(source.Cache)
	if err != nil || len(left) != 1 {
		t.Errorf("the cache has %v (%v)", left, err)
	}
}

func TestBadReleasesLeaveNothing(t *testing.T) {
	t.Parallel()
	good := pack(t, build(t, "./testdata/program", "GOARCH=arm64"))
	wrong := pack(t, build(t, "./testdata/program"))
	tests := map[string]struct {
		files map[string][]byte
		want  string
	}{
		"no release":     {want: "404"},
		"not named":      {files: map[string][]byte{"checksums.txt": []byte("x y\n")}, want: "does not name " + archiveName},
		"other content":  {files: map[string][]byte{"checksums.txt": sums(wrong), archiveName: good}, want: "checksum"},
		"cut short":      {files: map[string][]byte{"checksums.txt": sums(good), archiveName: good[:len(good)/2]}, want: "unpack"},
		"no archive":     {files: map[string][]byte{"checksums.txt": sums(good), archiveName: []byte("text")}, want: "unpack"},
		"for another":    {files: map[string][]byte{"checksums.txt": sums(wrong), archiveName: wrong}, want: "arm64"},
		"trailing bytes": {files: map[string][]byte{"checksums.txt": sums(good), archiveName: append(bytes.Clone(good), 0)}, want: "checksum"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := release(t, "v1.2.3", tt.files)
			source := image.Source{Executable: "/bin/ls", Version: "v1.2.3", Cache: t.TempDir(), URL: server.URL}
			_, err := source.Binary(t.Context(), "", "arm64")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Binary() = %v, want %q", err, tt.want)
			}
			if left, err := os.ReadDir(source.Cache); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

func TestNoProgramSaysWhichFlagHelps(t *testing.T) {
	t.Parallel()
	arm := build(t, "./testdata/program", "GOARCH=arm64")
	tests := map[string]struct {
		executable, given, version string
		want                       string
		code                       int
	}{
		"dynamic":                  {executable: "/bin/ls", want: "linked dynamically", code: fail.CodeFailed},
		"of a commit":              {executable: "/bin/ls", version: "v0.0.0-20261124000000-0123456789ab", want: "linked dynamically", code: fail.CodeFailed},
		"for another machine":      {executable: arm, want: "is for arm64, and the node is amd64", code: fail.CodeFailed},
		"given for another":        {executable: arm, given: arm, want: "--linux-binary: " + arm + " is for arm64", code: fail.CodeUsage},
		"given is missing":         {given: "/nonexistent/x", want: "/nonexistent/x cannot be read", code: fail.CodeUsage},
		"given is somebody else's": {given: "/bin/ls", want: "--linux-binary: /bin/ls", code: fail.CodeUsage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := image.Source{Executable: tt.executable, Version: tt.version, Cache: t.TempDir()}
			_, binaryErr := source.Binary(t.Context(), tt.given, "amd64")
			for _, err := range []error{source.Check(tt.given, "amd64"), binaryErr} {
				failure, ok := errors.AsType[*fail.Error](err)
				if !ok || failure.Code != tt.code || !strings.Contains(failure.Error(), tt.want) {
					t.Fatalf("%v, want %q", err, tt.want)
				}
				if !strings.Contains(failure.Fix, "--linux-binary FILE") || !strings.Contains(failure.Fix, "--image REF") {
					t.Errorf("the fix is %q", failure.Fix)
				}
			}
		})
	}
}
