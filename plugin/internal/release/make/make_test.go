package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

const version = "v1.2.3"

// git runs git in a folder, whatever the configuration of this machine says.
func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// tree is a clean work tree, at a commit with the tag of version, of a program
// that has nothing of this one but its names: it is built in no time.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":                    "module " + release.Module + "\n\ngo 1.26\n",
		"cmd/kubectl-tlsgw/main.go": "// Command kubectl-tlsgw says who it is.\npackage main\n\nfunc main() { println(\"released\") }\n",
		"LICENSE":                   "a licence\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "all")
	git(t, dir, "tag", version)
	return dir
}

// targets are those of a release that need different things done; all of them
// would be compiling the same thing again for minutes.
func targets() []release.Target {
	return []release.Target{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}, {OS: "darwin", Arch: "amd64"}, {OS: "windows", Arch: "amd64"}}
}

func makerFor(t *testing.T, root, out string) *maker {
	t.Helper()
	return &maker{
		version: version, out: out, root: root, source: "./cmd/kubectl-tlsgw", targets: targets(),
		log: log.New(t.Output(), "", 0).Printf,
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, entry := range entries {
		if all[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestRelease makes one release, and does with it what people do.
func TestRelease(t *testing.T) {
	t.Parallel()
	root, served := tree(t), t.TempDir()
	m := makerFor(t, root, filepath.Join(served, version))
	if err := m.run(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	made := files(t, m.out)
	t.Run("SameBytesAgain", func(t *testing.T) {
		t.Parallel()
		elsewhere := t.TempDir()
		git(t, elsewhere, "clone", "-q", root, "clone")
		again := makerFor(t, filepath.Join(elsewhere, "clone"), filepath.Join(elsewhere, "out"))
		if err := again.run(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		for file, content := range files(t, again.out) {
			if !bytes.Equal(content, made[file]) {
				t.Errorf("%s is another one the second time", file)
			}
		}
	})
	t.Run("Archives", func(t *testing.T) {
		t.Parallel()
		checkArchives(t, made)
	})
	t.Run("Checksums", func(t *testing.T) {
		t.Parallel()
		check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", release.Checksums)
		check.Dir = m.out
		if out, err := check.CombinedOutput(); err != nil || bytes.Count(out, []byte(": OK")) != len(made)-1 {
			t.Errorf("sha256sum --check: %v\n%s", err, out)
		}
	})
	t.Run("Download", func(t *testing.T) {
		t.Parallel()
		checkDownload(t, served)
	})
	t.Run("Push", func(t *testing.T) {
		t.Parallel()
		checkPush(t, m)
	})
}

func checkArchives(t *testing.T, made map[string][]byte) {
	t.Helper()
	want := []string{release.Checksums, release.ImageFile(version)}
	for _, target := range targets() {
		archive := target.Archive(version)
		want = append(want, archive)
		names, program := untar(t, made[archive])
		if target.OS == "windows" {
			names, program = unzip(t, made[archive])
		}
		if diff := gocmp.Diff([]string{target.Program(), "LICENSE"}, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", archive, diff)
		}
		if (target == release.Target{OS: runtime.GOOS, Arch: runtime.GOARCH}) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, program, 0o700); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil || string(out) != "released\n" {
				t.Errorf("%s: the program says %q, %v", archive, out, err)
			}
		}
	}
	got := make([]string, 0, len(made))
	for file := range made {
		got = append(got, file)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// checkDownload gets the Linux binary of the release as dev-up does that is not
// one itself, and makes the same image of it as was released.
func checkDownload(t *testing.T, served string) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(served)))
	t.Cleanup(server.Close)
	darwin := filepath.Join(t.TempDir(), "program")
	_, program := untar(t, files(t, filepath.Join(served, version))[release.Target{OS: "darwin", Arch: "amd64"}.Archive(version)])
	if err := os.WriteFile(darwin, program, 0o700); err != nil {
		t.Fatal(err)
	}
	source := image.Source{Executable: darwin, Version: version, Cache: t.TempDir(), URL: server.URL}
	binary, err := source.Binary(t.Context(), "", "arm64")
	if err != nil || binary.Version != version || binary.Arch != "arm64" {
		t.Errorf("Binary() = %+v, %v", binary, err)
	}

	// Another one under the same name is refused.
	bad := filepath.Join(t.TempDir(), version)
	if err := os.CopyFS(bad, os.DirFS(filepath.Join(served, version))); err != nil {
		t.Fatal(err)
	}
	archive := release.Target{OS: "linux", Arch: "arm64"}.Archive(version)
	file, err := os.OpenFile(filepath.Join(bad, archive), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("\x00"); errors.Join(err, file.Close()) != nil {
		t.Fatal(err)
	}
	changed := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(bad))))
	t.Cleanup(changed.Close)
	source.Cache, source.URL = t.TempDir(), changed.URL
	if _, err := source.Binary(t.Context(), "", "arm64"); err == nil || !strings.Contains(err.Error(), archive+" has checksum") {
		t.Errorf("with a changed archive: Binary() = %v", err)
	}
}

// checkPushed finds in one image of a registry what dev-up would make of the
// Linux binary.
func checkPushed(t *testing.T, m *maker, index v1.ImageIndex, one v1.Descriptor) {
	t.Helper()
	pushed, err := index.Image(one.Digest)
	if err != nil {
		t.Fatal(err)
	}
	id, err := pushed.ConfigName()
	program, want := linuxProgram(t, m, one.Platform.Architecture)
	if err != nil || id.String() != want {
		t.Errorf("for %s the image is %s (%v), and dev-up makes %s", one.Platform, id, err, want)
	}
	if got := onlyFile(t, pushed); !bytes.Equal(got, program) {
		t.Errorf("for %s the image has %d bytes that are not the program", one.Platform, len(got))
	}
}

// checkPush pushes the image to a registry, and finds there what dev-up would
// make of each Linux binary.
func checkPush(t *testing.T, m *maker) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/tlsgw/kubectl-tlsgw"
	for range 2 { // what is there already does no harm
		if err := m.run(t.Context(), repository); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag(repository + ":" + version)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Errorf("the image is not valid: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, one := range manifest.Manifests {
		platforms = append(platforms, one.Platform.String())
		checkPushed(t, m, index, one)
	}
	if diff := gocmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}

	t.Run("ChangedImageIsRefused", func(t *testing.T) {
		t.Parallel()
		other := *m
		other.out = filepath.Join(t.TempDir(), version)
		if err := os.CopyFS(other.out, os.DirFS(m.out)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other.out, release.ImageFile(version)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := other.run(t.Context(), repository); err == nil || !strings.Contains(err.Error(), "has checksum") {
			t.Errorf("push: %v", err)
		}
	})
}

// What would call itself something else is not released, and what was released
// before stays.
func TestOnlyReleases(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		version string
		// there is a file of the folder; release.Checksums unless set.
		there  string
		change func(t *testing.T, root string)
		want   string
	}{
		"no version":   {want: "make release VERSION=v1.2.3"},
		"of a commit":  {version: "v1.2.4-0.20251123120000-0123456789ab", want: "is not the version of a release"},
		"another one":  {version: "v1.2.4", want: "is v1.2.3, not v1.2.4: "},
		"a later work": {version: version, change: commit, want: "git tag v1.2.3"},
		"in its place": {version: version, there: "mine", want: "is there and is no release"},
		"changed": {version: version, want: "is v1.2.3+dirty, not v1.2.3: ", change: func(t *testing.T, root string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(root, "LICENSE"), []byte("another\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, out := tree(t), t.TempDir()
			if tt.change != nil {
				tt.change(t, root)
			}
			if err := os.WriteFile(filepath.Join(out, cmp.Or(tt.there, release.Checksums)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			m := makerFor(t, root, out)
			m.version, m.targets = tt.version, targets()[:1]
			if err := m.run(t.Context(), ""); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run() = %v, want %q", err, tt.want)
			}
			if left := files(t, out); len(left) != 1 {
				t.Errorf("in the folder there is now %d files", len(left))
			}
			if _, err := os.Stat(out + ".part"); !os.IsNotExist(err) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
}

func commit(t *testing.T, root string) {
	t.Helper()
	git(t, root, "commit", "-q", "--allow-empty", "-m", "more")
}
