package binaries

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/versions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// program makes an executable file and the folders above it.
func program(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil { // #nosec G306 -- a program
		t.Fatal(err)
	}
	return path
}

func kube(t *testing.T, dir string) string {
	t.Helper()
	program(t, filepath.Join(dir, "etcd"))
	program(t, filepath.Join(dir, "kube-apiserver"))
	return dir
}

func finder(env map[string]string) Finder {
	return Finder{Getenv: func(name string) string { return env[name] }}
}

func TestKubeIsFoundInThisOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	flag := kube(t, filepath.Join(root, "flag"))
	assets := kube(t, filepath.Join(root, "assets"))
	path := kube(t, filepath.Join(root, "path"))
	half := filepath.Dir(program(t, filepath.Join(root, "half", "etcd")))
	cache := filepath.Join(root, "cache")
	older := kube(t, filepath.Join(cache, "kubectl-tlsgw", "kube-1.34.4-a"))
	newer := kube(t, filepath.Join(cache, "kubectl-tlsgw", "kube-1.34.4-b"))
	kube(t, filepath.Join(cache, "kubectl-tlsgw", ".kube-1.34.4-c.unfinished"))
	now := time.Now()
	for dir, at := range map[string]time.Time{older: now.Add(-time.Hour), newer: now.Add(-time.Minute)} {
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(root, "data")
	envtest := kube(t, filepath.Join(data, "kubebuilder-envtest", "k8s", "1.34.1-linux-amd64"))

	tests := map[string]struct {
		flag string
		env  map[string]string
		want string // folder; or part of the error
	}{
		"flag":              {flag: flag, env: map[string]string{EnvKubeAssets: assets, "PATH": path}, want: flag},
		"environment":       {env: map[string]string{EnvKubeAssets: assets, "PATH": path}, want: assets},
		"both on PATH":      {env: map[string]string{"PATH": path, "XDG_CACHE_HOME": cache}, want: path},
		"half on PATH":      {env: map[string]string{"PATH": half, "XDG_CACHE_HOME": cache}, want: newer},
		"setup-envtest":     {env: map[string]string{"XDG_DATA_HOME": data}, want: envtest},
		"wrong flag":        {flag: half, want: "--kube-assets names folder"},
		"wrong environment": {env: map[string]string{EnvKubeAssets: half, "PATH": path}, want: "KUBEBUILDER_ASSETS names folder"},
		"nowhere":           {env: map[string]string{"HOME": filepath.Join(root, "home")}, want: ErrNoKube.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := finder(tt.env).Kube(tt.flag)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %q lacks %q", err, tt.want)
				}
				return
			}
			want := Kube{Etcd: filepath.Join(tt.want, "etcd"), APIServer: filepath.Join(tt.want, "kube-apiserver"), From: got.From}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvoyIsFoundInThisOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	flag := program(t, filepath.Join(root, "flag", "envoy-1.40"))
	env := program(t, filepath.Join(root, "env", "envoy"))
	path := program(t, filepath.Join(root, "path", "envoy"))
	home := filepath.Join(root, "home")
	cached := program(t, filepath.Join(home, ".cache", "kubectl-tlsgw", "envoy-1.40.0-x", "envoy"))
	tests := map[string]struct {
		flag string
		env  map[string]string
		want string
		err  string
	}{
		"flag":              {flag: flag, env: map[string]string{EnvEnvoy: env}, want: flag},
		"environment":       {env: map[string]string{EnvEnvoy: env, "PATH": filepath.Dir(path)}, want: env},
		"PATH":              {env: map[string]string{"PATH": filepath.Dir(path), "HOME": home}, want: path},
		"relative PATH":     {env: map[string]string{"PATH": ".:" + filepath.Dir(path)}, want: path},
		"cache":             {env: map[string]string{"HOME": home}, want: cached},
		"wrong flag":        {flag: root, err: "--envoy names"},
		"wrong environment": {env: map[string]string{EnvEnvoy: "/nonexistent"}, err: "TLSGW_ENVOY names"},
		"nowhere":           {err: "no Envoy found"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := finder(tt.env).Envoy(tt.flag)
			if got != tt.want {
				t.Errorf("Envoy() = %q, want %q", got, tt.want)
			}
			if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if err == nil {
				return
			}
			if e, ok := errors.AsType[*fail.Error](err); !ok || e.Fix == "" {
				t.Errorf("error %v says no way to get one", err)
			}
		})
	}
}

func TestNginxIsFoundBesidePATH(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	want := program(t, filepath.Join(root, "sbin", "nginx"))
	if got, err := finder(map[string]string{"PATH": filepath.Join(root, "bin")}).Nginx(); got != want || err != nil {
		t.Errorf("Nginx() = %q, %v", got, err)
	}
	if _, err := finder(map[string]string{"PATH": filepath.Join(root, "other")}).Nginx(); !errors.Is(err, ErrNoNginx) {
		t.Errorf("error %v, want ErrNoNginx", err)
	}
}

func TestEnvoyVersions(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"1.34.99": false, "1.35.10": false, "1.35.11": true, "1.36.6": false, "1.36.7": true,
		"1.37.2": false, "1.37.3": true, "1.38.0": false, "1.38.1": true, "1.39.0": true, "1.40.0": true, "2.0.0": true,
	}
	for number, accepted := range tests {
		if err := checkEnvoyVersion(version.MustParseSemantic(number)); (err == nil) != accepted {
			t.Errorf("Envoy %s: %v, want accepted %v", number, err, accepted)
		}
	}
	parsed, err := parseEnvoyVersion("\n/usr/bin/envoy  version: 9a1b/1.40.1-dev/Clean/RELEASE/BoringSSL\n")
	if err != nil || parsed.String() != "1.40.1" {
		t.Errorf("parsed %v, %v", parsed, err)
	}
	if _, err := parseEnvoyVersion("nginx version: nginx/1.22.1"); err == nil {
		t.Error("takes nginx for Envoy")
	}
}

func TestRealEnvoyVersion(t *testing.T) {
	t.Parallel()
	path, err := Finder{Getenv: os.Getenv}.Envoy("")
	if err != nil {
		t.Fatalf("%v (make tools provides it)", err)
	}
	if _, err := EnvoyVersion(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// releases is a Source with one good archive.
type releases struct {
	versions []versions.Concrete
	archive  []byte
	err      error
}

func (r *releases) ListVersions(context.Context) ([]versions.Set, error) {
	sets := make([]versions.Set, 0, len(r.versions))
	for _, v := range r.versions {
		sets = append(sets, versions.Set{Version: v, Platforms: []versions.PlatformItem{
			{Platform: versions.Platform{OS: "plan9", Arch: "mips"}},
			{Platform: versions.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}},
		}})
	}
	return sets, r.err
}

func (r *releases) GetVersion(_ context.Context, _ versions.Concrete, _ versions.PlatformItem, out io.Writer) error {
	_, err := out.Write(r.archive)
	return err
}

func (r *releases) FetchSum(context.Context, versions.Concrete, *versions.PlatformItem) error {
	return nil
}

func archive(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	entries := tar.NewWriter(zipped)
	for _, name := range names {
		content := []byte("#!/bin/sh\n")
		if err := entries.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o555, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := entries.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(entries.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDownload(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	f := finder(map[string]string{"HOME": home})
	source := &releases{
		versions: []versions.Concrete{{Major: 1, Minor: KubeMinor + 1, Patch: 2}, {Major: 1, Minor: KubeMinor, Patch: 3}, {Major: 1, Minor: KubeMinor}},
		archive:  archive(t, "controller-tools/envtest/etcd", "controller-tools/envtest/kube-apiserver", "../../kubectl"),
	}
	got, err := f.Download(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".local/share/kubebuilder-envtest/k8s", "1.34.3-"+runtime.GOOS+"-"+runtime.GOARCH)
	if want := (Kube{Etcd: dir + "/etcd", APIServer: dir + "/kube-apiserver", From: "download"}); got != want {
		t.Errorf("Download() = %+v, want %+v", got, want)
	}
	if again, err := f.Kube(""); err != nil || again.Etcd != got.Etcd {
		t.Errorf("after the download Kube() = %+v, %v", again, err)
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside the download: %v, %v", entries, err)
	}
}

func TestDownloadFailsWithAWayOut(t *testing.T) {
	t.Parallel()
	newest := []versions.Concrete{{Major: 1, Minor: KubeMinor, Patch: 1}}
	tests := map[string]*releases{
		"offline":         {err: errors.New("no such host")},
		"no such release": {versions: []versions.Concrete{{Major: 1, Minor: 20}}},
		"damaged":         {versions: newest, archive: []byte("<html>")},
		"cut short":       {versions: newest, archive: archive(t, "etcd", "kube-apiserver")[:40]},
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := finder(map[string]string{"HOME": t.TempDir()})
			_, err := f.Download(t.Context(), source)
			if e, ok := errors.AsType[*fail.Error](err); !ok || !strings.Contains(e.Fix, "make tools") {
				t.Errorf("Download() = %v", err)
			}
			if _, err := f.Kube(""); !errors.Is(err, ErrNoKube) {
				t.Errorf("a failed download leaves something behind: %v", err)
			}
		})
	}
}
