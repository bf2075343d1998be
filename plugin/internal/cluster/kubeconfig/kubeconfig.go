// Package kubeconfig adds a dev cluster's context to the user's kubeconfig, and
// takes it away so that the file is as it was. A Change says which files, and
// how to undo it; it is kept with the cluster's settings.
package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Change is what was done to the user's kubeconfig, and how to undo it.
type Change struct {
	// Files are the user's kubeconfig files, in kubectl's precedence.
	Files []string `json:"files"`
	// Previous was the current context before ours.
	Previous string `json:"previous,omitempty"`
	// Created is a file that was not there before.
	Created string `json:"created,omitempty"`
}

// Files are the files that kubectl would use, as absolute paths: explicit alone
// unless it is empty.
func Files(getenv func(string) string, explicit string) ([]string, error) {
	if explicit != "" {
		return absolute([]string{explicit})
	}
	if list := getenv(clientcmd.RecommendedConfigPathEnvVar); list != "" {
		files := slices.DeleteFunc(filepath.SplitList(list), func(f string) bool { return f == "" })
		if len(files) == 0 {
			return nil, fail.Usage("KUBECONFIG is %q, which names no file", list).WithFix("unset KUBECONFIG, or give a file with --kubeconfig")
		}
		return absolute(files)
	}
	home := Home(getenv)
	if home == "" {
		return nil, errors.New("find kubeconfig: neither KUBECONFIG nor HOME (on Windows USERPROFILE) is set")
	}
	return []string{filepath.Join(home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)}, nil
}

func absolute(files []string) ([]string, error) {
	for i, f := range files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("find kubeconfig: %w", err)
		}
		files[i] = abs
	}
	return files, nil
}

// access implements clientcmd.ConfigAccess for a list of files.
type access []string

func (a access) GetLoadingPrecedence() []string { return slices.Clone(a) }

func (a access) GetStartingConfig() (*clientcmdapi.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: a, DoNotResolvePaths: true}
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

// errNoFiles is what all that writes ends with where a Change has no files.
var errNoFiles = errors.New("no kubeconfig file is known to write the context to")

// GetDefaultFilename is, as kubectl has it, the first file that exists. There
// must be one in the list.
func (a access) GetDefaultFilename() string {
	for _, f := range a {
		if exists(f) {
			return f
		}
	}
	return a[len(a)-1]
}

func (a access) IsExplicitFile() bool    { return false }
func (a access) GetExplicitFile() string { return "" }

const (
	kubeconfigTries = 50
	kubeconfigPause = 20 * time.Millisecond
)

// modify changes the user's kubeconfig as kubectl does. Where another kubectl
// is at it, it tries again.
func (a access) modify(ctx context.Context, change func(*clientcmdapi.Config)) error {
	if len(a) == 0 {
		return errNoFiles
	}
	var err error
	for range kubeconfigTries {
		var config *clientcmdapi.Config
		if config, err = a.GetStartingConfig(); err != nil {
			return err
		}
		change(config)
		if err = clientcmd.ModifyConfig(a, *config, false); !errors.Is(err, os.ErrExist) {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(kubeconfigPause):
		}
	}
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", a.GetDefaultFilename(), err)
	}
	return nil
}

// Plan remembers how to undo what Install will do to the context of that name.
func (c *Change) Plan(name string) error {
	files := access(c.Files)
	if len(files) == 0 {
		return errNoFiles
	}
	if target := files.GetDefaultFilename(); !exists(target) {
		c.Created = target
	}
	config, err := files.GetStartingConfig()
	if err != nil {
		return err
	}
	if config.CurrentContext != name {
		c.Previous = config.CurrentContext
	}
	return nil
}

// CheckWritable fails, in one sentence, where Install would not be able to
// write. It leaves nothing behind.
func (c *Change) CheckWritable() error {
	files := access(c.Files)
	if len(files) == 0 {
		return fail.Failed("%w", errNoFiles).WithFix("give one with --kubeconfig FILE, or set KUBECONFIG")
	}
	if _, err := files.GetStartingConfig(); err != nil {
		return fail.Failed("%w", err).WithFix("mend that file, or give another with --kubeconfig")
	}
	path := files.GetDefaultFilename()
	err := writable(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if err != nil {
		return fail.Failed("kubeconfig %s cannot be written: %w", path, err).WithFix("give another with --kubeconfig FILE, or set KUBECONFIG")
	}
	return nil
}

// CheckKept is CheckWritable for a cluster that is there: files that have the
// context of that name as the file own has it need not be written.
func (c *Change) CheckKept(name, own string) error {
	if ours, err := clientcmd.LoadFromFile(own); err == nil {
		if there, _, err := c.Installed(name, ours); there && err == nil {
			return nil
		}
	}
	err := c.CheckWritable()
	if err == nil {
		return nil
	}
	return fail.As(err).WithFix("mend that: context %s was written there, and has to be written again", name)
}

// writable opens the file if it is there, else it tries the nearest folder
// above it that is. A lock file is written beside the file in any case.
func writable(path string) error {
	if exists(path) {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0) // #nosec G304 -- the user's own
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	folder := filepath.Dir(path)
	for !exists(folder) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
	}
	probe, err := os.CreateTemp(folder, ".kubectl-tlsgw-")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Install adds the context of that name, and its cluster and user, from ours,
// and makes it current.
func (c *Change) Install(ctx context.Context, name string, ours *clientcmdapi.Config) error {
	return access(c.Files).modify(ctx, func(config *clientcmdapi.Config) {
		// Each replaces a stanza of the same name in the file where that is.
		cluster, user, entry := *ours.Clusters[name], *ours.AuthInfos[name], *ours.Contexts[name]
		cluster.LocationOfOrigin, user.LocationOfOrigin, entry.LocationOfOrigin = "", "", ""
		if old := config.Clusters[name]; old != nil {
			cluster.LocationOfOrigin = old.LocationOfOrigin
		}
		if old := config.AuthInfos[name]; old != nil {
			user.LocationOfOrigin = old.LocationOfOrigin
		}
		if old := config.Contexts[name]; old != nil {
			entry.LocationOfOrigin = old.LocationOfOrigin
		}
		config.Clusters[name], config.AuthInfos[name], config.Contexts[name] = &cluster, &user, &entry
		config.CurrentContext = name
	})
}

// Installed tells whether the context is there as it should be, and whether
// it is the current one.
func (c *Change) Installed(name string, ours *clientcmdapi.Config) (there, current bool, err error) {
	config, err := access(c.Files).GetStartingConfig()
	if err != nil {
		return false, false, err
	}
	cluster, user, entry := config.Clusters[name], config.AuthInfos[name], config.Contexts[name]
	if cluster == nil || user == nil || entry == nil || ours.Clusters[name] == nil || ours.AuthInfos[name] == nil {
		return false, false, nil
	}
	there = cluster.Server == ours.Clusters[name].Server &&
		string(cluster.CertificateAuthorityData) == string(ours.Clusters[name].CertificateAuthorityData) &&
		string(user.ClientCertificateData) == string(ours.AuthInfos[name].ClientCertificateData) &&
		entry.Cluster == name && entry.AuthInfo == name
	return there, config.CurrentContext == name, nil
}

// Remove takes the context away and makes the one before it current again, if
// ours still is. It returns the context that is current afterwards, and
// whether it had to change anything.
func (c *Change) Remove(ctx context.Context, name string) (current string, changed bool, err error) {
	if len(c.Files) == 0 {
		return "", false, nil
	}
	left := 0
	err = access(c.Files).modify(ctx, func(config *clientcmdapi.Config) {
		for _, there := range []bool{config.Clusters[name] != nil, config.AuthInfos[name] != nil, config.Contexts[name] != nil} {
			changed = changed || there
		}
		delete(config.Clusters, name)
		delete(config.AuthInfos, name)
		delete(config.Contexts, name)
		if config.CurrentContext == name {
			changed = true
			config.CurrentContext = ""
			if config.Contexts[c.Previous] != nil {
				config.CurrentContext = c.Previous
			}
		}
		current = config.CurrentContext
		left = len(config.Clusters) + len(config.AuthInfos) + len(config.Contexts)
	})
	if err != nil {
		return "", changed, err
	}
	if c.Created != "" && left == 0 {
		if err := os.Remove(c.Created); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", changed, fmt.Errorf("remove kubeconfig: %w", err)
		}
	}
	return current, changed, nil
}

// New is a kubeconfig for one user of a cluster, with PEM.
func New(name, server string, ca, certificate, key []byte) *clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "default"}
	config.CurrentContext = name
	return config
}

// Encode writes a kubeconfig as YAML.
func Encode(config *clientcmdapi.Config) ([]byte, error) {
	encoded, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return encoded, nil
}
