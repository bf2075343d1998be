package kubeconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const theirs = `apiVersion: v1
clusters:
- cluster:
    server: https://theirs.example
  name: theirs
contexts:
- context:
    cluster: theirs
    user: theirs
  name: theirs
current-context: theirs
kind: Config
users:
- name: theirs
  user:
    token: t
`

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func put(t *testing.T, content string, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKubeconfigIsAsBeforeAfterwards(t *testing.T) {
	t.Parallel()
	ours := New("tlsgw-local", "https://127.0.0.1:6443", []byte("ca"), []byte("cert"), []byte("key"))
	// As it is when it was read from a file of its own.
	ours.Clusters["tlsgw-local"].LocationOfOrigin = "/nonexistent/file"
	tests := map[string]func(t *testing.T, dir string) []string{
		"none before": func(_ *testing.T, dir string) []string {
			return []string{filepath.Join(dir, ".kube", "config")}
		},
		"another cluster": func(t *testing.T, dir string) []string {
			t.Helper()
			return []string{put(t, theirs, dir, "config")}
		},
		"two files, the second exists": func(t *testing.T, dir string) []string {
			t.Helper()
			return []string{filepath.Join(dir, "first"), put(t, theirs, dir, "second")}
		},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			k := Change{Files: files(t, dir)}
			before := contents(t, dir)
			for range 2 { // a second time must not make ours the previous one
				if err := errors.Join(k.Plan("tlsgw-local"), k.Install(t.Context(), "tlsgw-local", ours)); err != nil {
					t.Fatal(err)
				}
			}
			there, current, err := k.Installed("tlsgw-local", ours)
			if !there || !current || err != nil {
				t.Errorf("installed() = %v, %v, %v", there, current, err)
			}
			merged, err := access(k.Files).GetStartingConfig()
			if err != nil {
				t.Fatal(err)
			}
			if rest, err := clientcmd.NewDefaultClientConfig(*merged, nil).ClientConfig(); err != nil || rest.Host != "https://127.0.0.1:6443" {
				t.Errorf("kubectl would use %v, %v", rest, err)
			}
			if _, changed, err := k.Remove(t.Context(), "tlsgw-local"); !changed || err != nil {
				t.Errorf("remove() = %v, %v", changed, err)
			}
			if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
				t.Errorf("kubeconfig is not as before (-before +after):\n%s", diff)
			}
			if _, changed, err := k.Remove(t.Context(), "tlsgw-local"); changed || err != nil {
				t.Errorf("second remove() = %v, %v", changed, err)
			}
		})
	}
}

// contents are the files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestKubeconfigKeepsWhatTheUserDidSince(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := Change{Files: []string{filepath.Join(dir, "config")}}
	ours := New("tlsgw-local", "https://127.0.0.1:6443", nil, nil, nil)
	if err := errors.Join(k.Plan("tlsgw-local"), k.Install(t.Context(), "tlsgw-local", ours)); err != nil {
		t.Fatal(err)
	}
	put(t, theirs, dir, "config") // the user has replaced it meanwhile
	if there, _, err := k.Installed("tlsgw-local", ours); there || err != nil {
		t.Errorf("installed() = %v, %v", there, err)
	}
	current, changed, err := k.Remove(t.Context(), "tlsgw-local")
	if current != "theirs" || changed || err != nil {
		t.Errorf("remove() = %q, %v, %v", current, changed, err)
	}
	if diff := cmp.Diff(theirs, read(t, filepath.Join(dir, "config"))); diff != "" {
		t.Errorf("(-theirs +after):\n%s", diff)
	}
}

func TestKubeconfigFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		explicit string
		env      map[string]string
		want     []string
	}{
		"flag":        {explicit: "/x/y", env: map[string]string{"KUBECONFIG": "/a"}, want: []string{"/x/y"}},
		"environment": {env: map[string]string{"KUBECONFIG": "/a::/b", "HOME": "/h"}, want: []string{"/a", "/b"}},
		"home":        {env: map[string]string{"HOME": "/h"}, want: []string{"/h/.kube/config"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Files(func(name string) string { return tt.env[name] }, tt.explicit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing is written where no file is known, and nothing panics.
func TestNoKubeconfigFiles(t *testing.T) {
	t.Parallel()
	ours := New("tlsgw-local", "https://127.0.0.1:6443", nil, nil, nil)
	none := &Change{}
	for what, err := range map[string]error{
		"Plan": none.Plan("tlsgw-local"), "CheckWritable": none.CheckWritable(),
		"CheckKept": none.CheckKept("tlsgw-local", "/nonexistent"), "Install": none.Install(t.Context(), "tlsgw-local", ours),
	} {
		if !errors.Is(err, errNoFiles) {
			t.Errorf("%s() = %v", what, err)
		}
	}
	if there, _, err := none.Installed("tlsgw-local", ours); there || err != nil {
		t.Errorf("Installed() = %v, %v", there, err)
	}
	if _, err := Files(func(string) string { return ":" }, ""); err == nil || fail.Code(err) != fail.CodeUsage {
		t.Errorf("Files() = %v", err)
	}
}

// A file that nobody may write is no obstacle while it has what it should.
func TestCheckKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours := New("tlsgw-local", "https://127.0.0.1:6443", []byte("ca"), []byte("cert"), []byte("key"))
	content, err := Encode(ours)
	if err != nil {
		t.Fatal(err)
	}
	own := put(t, string(content), dir, "own")
	empty := put(t, "", dir, "empty")
	for name, tt := range map[string]struct {
		files []string
		own   string
		want  string // "" when it is fine
	}{
		// The last of the files would be written, and cannot be.
		"has it":           {files: []string{"/proc/self/none/config", own}, own: own},
		"could be written": {files: []string{filepath.Join(dir, "new")}, own: own},
		"lacks it":         {files: []string{"/proc/self/none/config"}, own: own, want: "cannot be written"},
		"own is gone":      {files: []string{"/proc/self/none/config"}, own: filepath.Join(dir, "gone"), want: "cannot be written"},
		"own is empty":     {files: []string{"/proc/self/none/config"}, own: empty, want: "cannot be written"},
	} {
		c := Change{Files: tt.files}
		err := c.CheckKept("tlsgw-local", tt.own)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fail.As(err).Fix, "context tlsgw-local")) {
			t.Errorf("%s: CheckKept() = %v, want %q", name, err, tt.want)
		}
	}
}

func TestCheckWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := map[string]struct {
		file string
		want string // "" when it is fine
	}{
		"there":         {file: put(t, theirs, dir, "there")},
		"not yet there": {file: filepath.Join(dir, "new", "folder", "config")},
		"damaged":       {file: put(t, "a: [", dir, "damaged"), want: "damaged"},
		"below a file":  {file: filepath.Join(put(t, theirs, dir, "file"), "config"), want: "not a directory"},
		"not writable":  {file: "/proc/self/nothing/config", want: "kubeconfig /proc/self/nothing/config cannot be written"},
	}
	before := contents(t, dir)
	for name, tt := range tests {
		c := Change{Files: []string{tt.file}}
		err := c.CheckWritable()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: CheckWritable() = %v, want %q", name, err, tt.want)
		}
		if failure, ok := errors.AsType[*fail.Error](err); err != nil && (!ok || !strings.Contains(failure.Fix, "--kubeconfig")) {
			t.Errorf("%s: %v has no fix", name, err)
		}
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("it left something behind:\n%s", diff)
	}
}
